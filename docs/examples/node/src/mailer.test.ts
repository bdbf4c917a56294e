import assert from "node:assert/strict";
import { test } from "node:test";

import { Mailer } from "./mailer.js";

test("without a sidecar nobody is written to", async () => {
  const mailer = new Mailer("unix:/no/such.sock");
  try {
    assert.deepEqual(await mailer.mayWrite("ada"), { isPermitted: false, reason: "unavailable" });
  } finally {
    mailer.close();
  }
});
