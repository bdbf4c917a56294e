"""The legal corpus: situations with the answer that a careful privacy lawyer would expect.

`scenarios.yaml` beside this file is the corpus; `python -m tests.conformance.legal FILE` runs any
file of its schema, so that counsel can bring situations of their own. Each scenario is turned into
what a house would write and send: policy text that `use`s the law packs under test, events in the
ledger, and a request. Then the answer is compared: decision, primary reason, obligations, and
`valid_until` where one is expected.

What stands for what:

| in a scenario | becomes |
| --- | --- |
| `activity` | one purpose (with `as`, `basis`, tags, `keep`, `notice`) and one `permit` for it |
| `activity.categories` | fields of the data tree; a field's path is the category's key |
| `activity.departments` | `who role "…"`; without any, `anyone` |
| `activity.recipients` | `to recipient "…"`; without any, `anyone` |
| `activity.effects`, and the flags `iss`, `annex1`, `adm_safeguards`, … | tags (`words.py`) |
| `activity.retention_days` | `keep N days`; `legal_hold` is a hold on the purpose |
| `facts.tags` | a field that reveals another category: `as one, other` |
| `facts.packs` | the packs that are used (`words.PACKS`): the law, and what belongs to it |
| `controller` | the mission's country; `charity` an attribute of the controller |
| `subject.residence` `US-CA` | `subject.country` "US", `subject.state` "CA"; null: not said |
| `subject.age` | `subject.born`: the birthday is the day of the request |
| `subject.resolved: false` | a request without a data subject |
| `consents` | consent events; without `notice`, under the current one |
| `objections` | an objection to the purpose, or to the tag `direct_marketing` |
| `optouts` | `opted_out` or `limited`, of every purpose |
| `optins` | `opted_in`, and a consent to what is tagged `sale` and `sharing`: who gave it matters |
| `rights` | `erased`, `restricted`, of every purpose |
| `signals.sec_gpc` | `signal.gpc`; only the value "1" is a signal |
| `signals.tcf` | a consent for each purpose bit, to the vendors with a bit that were disclosed |
| `signals.gpp` | opt-outs at the time of the string, and whether the notices were given |
| `stores.consent: down` | a ledger that cannot be read |
| `request.actor` | a service; the department and, if it is one, `processor` are its roles |
| `request.data`, `purpose` | the key itself; keys that no vocabulary knows are not declared |
"""
