// Transactions are stored whole or not at all; in a batch each entry stands for itself.

import assert from 'node:assert/strict';
import { client, identified, number, observation, refused, system } from './common.mjs';

const bundle = (type, ...entry) => ({ body: { resourceType: 'Bundle', type, entry } });
const entry = (method, url, resource, members = {}) => ({ ...members, resource, request: { method, url } });
const matches = async (value) => (await client.search({ resourceType: 'Patient', searchParams: { identifier: `${system}|${value}`, _total: 'accurate' } })).total;

// references between entries are replaced, whatever the order
const value = number();
const urn = `urn:uuid:${number()}`;
const about = { ...observation('', 'bundled'), subject: { reference: urn } };
const conditional = { ...observation('', 'bundled'), subject: { reference: `Patient?identifier=${system}|${value}` } };
const stored = await client.transaction(
  bundle(
    'transaction',
    entry('POST', 'Observation', about),
    entry('POST', 'Observation', conditional),
    entry('POST', 'Patient', identified(value), { fullUrl: urn }),
    entry('GET', `Patient?identifier=${system}|${value}`),
  ),
);
assert.equal(stored.type, 'transaction-response');
assert.deepEqual(stored.entry.map((one) => one.response.status), ['201 Created', '201 Created', '201 Created', '200 OK']);
const [patient] = stored.entry[3].resource.entry.map((one) => one.resource);
for (const { response } of stored.entry.slice(0, 2)) {
  const read = await client.resolve({ reference: response.location.replace(/\/_history.*/, '') });
  assert.equal(read.subject.reference, `Patient/${patient.id}`);
}

// one refusal undoes everything, and names its entry
const undone = number();
const issue = await refused(
  client.transaction(bundle('transaction', entry('POST', 'Patient', identified(undone)), entry('POST', 'Patient', identified(undone, { gender: 'x' })))),
  400,
);
assert.equal(issue.expression[0], 'Bundle.entry[1].resource.gender');
assert.equal(await matches(undone), 0);

// changes and deletions together
const remove = [...stored.entry.slice(0, 2).map(({ response }) => response.location.split('/').slice(-4, -2).join('/')), `Patient/${patient.id}`];
const removed = await client.transaction(bundle('transaction', ...remove.map((url) => entry('DELETE', url))));
assert.deepEqual(removed.entry.map((one) => one.response.status), Array(3).fill('204 No Content'));

// a batch goes on
const kept = number();
const batch = await client.batch(
  bundle(
    'batch',
    entry('GET', 'Patient/never-used'),
    entry('POST', 'Patient', identified(kept)),
    entry('POST', 'Patient', { resourceType: 'Patient', gender: 'x' }),
    entry('GET', 'Patient/pat-1'),
  ),
);
assert.equal(batch.type, 'batch-response');
assert.deepEqual(batch.entry.map((one) => one.response.status.slice(0, 3)), ['404', '201', '400', '200']);
assert.equal(batch.entry[0].response.outcome.issue[0].code, 'not-found');
assert.equal(batch.entry[3].resource.id, 'pat-1');
assert.equal(await matches(kept), 1);
