// Asks, records a consent, asks, withdraws it, asks.
import { Mailer, type Answer } from "./mailer.js";

function tell(when: string, answer: Answer): void {
  console.log(`${when}: ${answer.isPermitted}, ${answer.reason}`);
}

const customer = process.argv[2] ?? "customer-node";
const mailer = new Mailer(process.env["CONSENTRY_TARGET"] ?? "127.0.0.1:7470");
try {
  tell("before", await mailer.mayWrite(customer));
  await mailer.record("EVENT_KIND_GIVEN", customer, `${customer}-given`);
  tell("after consent", await mailer.mayWrite(customer));
  await mailer.record("EVENT_KIND_WITHDRAWN", customer, `${customer}-withdrawn`);
  tell("after withdrawal", await mailer.mayWrite(customer));
} finally {
  mailer.close();
}
