// Asks Consentry in the name of the campaign mailer.
import { credentials, loadPackageDefinition, type ServiceError } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

import type { CheckResponse__Output } from "../gen/consentry/v1/CheckResponse.js";
import type { EventKind } from "../gen/consentry/v1/EventKind.js";
import type { ProtoGrpcType as Authorization } from "../gen/authorization.js";
import type { ProtoGrpcType as Consent } from "../gen/consent.js";

// The published protocol: beside this example in the project, in the Python wheel, or from a registry.
const PROTOS = process.env["CONSENTRY_PROTOS"] ?? "../../../proto";
const ASK_FOR_MS = 2_000;
const RECORD_FOR_MS = 10_000;

const { v1 } = (
  loadPackageDefinition(
    loadSync(["consentry/v1/authorization.proto", "consentry/v1/consent.proto"], {
      includeDirs: [PROTOS],
      longs: String,
      enums: String,
      defaults: true,
      oneofs: true,
    }),
  ) as unknown as Authorization & Consent
).consentry;

export interface Answer {
  isPermitted: boolean;
  reason: string;
}

function deadline(ms: number): Date {
  return new Date(Date.now() + ms);
}

export class Mailer {
  // A socket in the pod, or loopback. Over a network: credentials.createSsl().
  readonly #decisions;
  readonly #consents;

  constructor(target: string) {
    this.#decisions = new v1.AuthorizationService(target, credentials.createInsecure());
    this.#consents = new v1.ConsentService(target, credentials.createInsecure());
  }

  close(): void {
    this.#decisions.close();
    this.#consents.close();
  }

  /** Whether this customer may be written to, and why. Without an answer they may not. */
  async mayWrite(customer: string): Promise<Answer> {
    const question = {
      principal: { id: "campaign-mailer", type: "service", roles: ["marketer"] },
      action: "contact",
      data: ["customer.contact.email"],
      subject: {
        id: customer,
        attributes: [
          { name: "country", value: { text: "DE" } },
          { name: "born", value: { date: "1990-01-01" } },
        ],
      },
      purpose: "marketing.email",
      channel: "email",
    };
    return new Promise((resolve) => {
      this.#decisions.Check(
        question,
        { deadline: deadline(ASK_FOR_MS) },
        (error: ServiceError | null, answer?: CheckResponse__Output) => {
          // The error is for the log: no answer is a no.
          if (error || !answer) resolve({ isPermitted: false, reason: "unavailable" });
          else resolve({ isPermitted: answer.effect === "EFFECT_PERMIT", reason: answer.reason });
        },
      );
    });
  }

  /**
   * Writes down what a customer said. It is durable, and counts everywhere, once this resolves.
   * The key makes trying again harmless: the same key is recorded once.
   */
  async record(kind: EventKind, customer: string, key: string): Promise<void> {
    const event = {
      kind,
      subject: customer,
      scope: { purpose: "marketing" },
      notice: "2026-03",
      proof: { method: "web_form" },
      idempotencyKey: key,
    };
    return new Promise((resolve, reject) => {
      this.#consents.RecordConsent(
        { events: [event] },
        { deadline: deadline(RECORD_FOR_MS) },
        (error: ServiceError | null) => (error ? reject(error) : resolve()),
      );
    });
  }
}
