// Operations on the server, a type and an instance, by POST and by GET.

import assert from 'node:assert/strict';
import { client, create, following, identified, ids, number, observation, refused, sorted, system } from './common.mjs';

const value = number();
const stored = await create(identified(value, { birthDate: '1980-02-03' }));
const made = [];
for (const day of ['01', '02', '03']) {
  made.push((await create(observation(stored.id, 'kind', { effectiveDateTime: `2026-05-${day}` }))).id);
}
const parameters = (...parameter) => ({ resourceType: 'Parameters', parameter });
const one = { resourceType: 'Patient', id: stored.id };

// $everything, page by page
const everything = await following(await client.operation({ name: 'everything', ...one, method: 'GET', input: { _count: 2 } }));
assert.deepEqual(everything.map((page) => page.entry.length), [2, 2]);
assert.deepEqual(sorted(everything.flatMap(ids)), sorted([stored.id, ...made]));
const since = { name: '_type', valueString: 'Observation' };
assert.deepEqual(sorted(ids(await client.operation({ name: '$everything', ...one, input: parameters(since) }))), sorted(made));

// $validate: what a creation would be refused for
const valid = await client.operation({ name: 'validate', resourceType: 'Patient', input: identified(value) });
assert.deepEqual(valid.issue.map((issue) => issue.severity), ['information']);
const invalid = await client.operation({ name: 'validate', resourceType: 'Patient', input: identified(value, { gender: 'x' }) });
assert.deepEqual(invalid.issue.map((issue) => [issue.severity, issue.expression[0]]), [['error', 'Patient.gender']]);

// $match, $lastn, $docref
const { identifier, name, birthDate } = stored;
const described = { name: 'resource', resource: { resourceType: 'Patient', identifier, name, birthDate } };
const match = await client.operation({ name: 'match', resourceType: 'Patient', input: parameters(described) });
assert.equal(match.entry[0].resource.id, stored.id);
assert.ok(match.entry[0].search.score > 0.9);
const last = await client.operation({ name: 'lastn', resourceType: 'Observation', method: 'GET', input: { patient: stored.id, max: 2 } });
assert.deepEqual(ids(last), [made[2], made[1]]);
const documents = await client.operation({ name: 'docref', resourceType: 'DocumentReference', method: 'GET', input: { patient: 'pat-1' } });
assert.ok(documents.entry.every(({ resource }) => resource.subject.reference === 'Patient/pat-1'));

// labels, at every level
const label = { system, code: number() };
const labels = parameters({ name: 'meta', valueMeta: { tag: [label] } });
await client.operation({ name: 'meta-add', ...one, input: labels });
for (const place of [one, { resourceType: 'Patient' }, {}]) {
  const shown = await client.operation({ name: 'meta', method: 'GET', ...place });
  assert.ok(shown.parameter[0].valueMeta.tag.some(({ code }) => code === label.code));
}
await client.operation({ name: 'meta-delete', ...one, input: labels });
assert.equal((await client.read(one)).meta.tag, undefined);

// what is not offered
await refused(client.operation({ name: 'nonsense', resourceType: 'Patient', input: parameters() }), 404);
await refused(client.operation({ name: 'match', resourceType: 'Patient', method: 'GET' }), 405);
await refused(client.operation({ name: 'everything', ...one, input: parameters({ name: 'nonsense', valueString: 'x' }) }), 400);
