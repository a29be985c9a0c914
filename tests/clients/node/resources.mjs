// One resource from its creation to its deletion, each step with its conditions.

import assert from 'node:assert/strict';
import { client, create, headers, identified, number, patient, refused, status, system } from './common.mjs';

const resourceType = 'Patient';

// create
const made = await create(patient({ birthDate: '1980-02-03' }));
const { id } = made;
assert.equal(status(made), 201);
assert.equal(headers(made).get('etag'), 'W/"1"');
assert.ok(headers(made).get('location').endsWith(`/Patient/${id}/_history/1`));
assert.ok(headers(made).get('content-type').startsWith('application/fhir+json'));

// conditional create
const value = number();
const condition = { headers: { 'If-None-Exist': `identifier=${system}|${value}` } };
const first = await create(identified(value), condition);
const again = await create(identified(value), condition);
assert.deepEqual([status(first), status(again), again.id], [201, 200, first.id]);

// read, conditionally too
const read = await client.read({ resourceType, id });
assert.deepEqual(read, made);
await assert.rejects(client.read({ resourceType, id, options: { headers: { 'If-None-Match': 'W/"1"' } } }), {
  response: { status: 304, data: {} },
});
const slim = await client.request(`Patient/${id}?_elements=birthDate`);
assert.deepEqual(Object.keys(slim).sort(), ['birthDate', 'id', 'meta', 'resourceType']);

// update, guarded by the version that was read
const ifMatch = (version) => ({ headers: { 'If-Match': `W/"${version}"` } });
const updated = await client.update({ resourceType, id, body: { ...read, gender: 'other' }, options: ifMatch(1) });
assert.equal(updated.meta.versionId, '2');
assert.equal((await refused(client.update({ resourceType, id, body: read, options: ifMatch(1) }), 412)).code, 'conflict');

// update by criteria, and under an id of the client
const searchParams = { identifier: `${system}|${value}` };
const byCriteria = await client.update({ resourceType, searchParams, body: identified(value, { active: true }) });
assert.deepEqual([byCriteria.id, byCriteria.meta.versionId], [first.id, '2']);
const own = `node-${number()}`;
assert.equal(status(await client.update({ resourceType, id: own, body: patient({ id: own }) })), 201);

// patch
const jsonPatch = [
  { op: 'test', path: '/gender', value: 'other' },
  { op: 'replace', path: '/gender', value: 'female' },
  { op: 'remove', path: '/birthDate' },
];
const patched = await client.patch({ resourceType, id, jsonPatch });
assert.deepEqual([patched.gender, patched.birthDate, patched.meta.versionId], ['female', undefined, '3']);
await refused(client.patch({ resourceType, id, jsonPatch }), 400);
await refused(client.patch({ resourceType, id, jsonPatch: [], options: ifMatch(1) }), 412);

// vread
assert.deepEqual(await client.vread({ resourceType, id, version: '1' }), made);
await refused(client.vread({ resourceType, id, version: '9' }), 404);

// delete
const deleted = await client.delete({ resourceType, id });
assert.equal(status(deleted), 204);
assert.equal((await refused(client.read({ resourceType, id }), 410)).code, 'deleted');
await refused(client.vread({ resourceType, id, version: '4' }), 410);
assert.equal((await client.vread({ resourceType, id, version: '3' })).gender, 'female');

// what the caller wants back
const prefer = (wanted) => ({ headers: { Prefer: `return=${wanted}` } });
assert.deepEqual(await create(patient(), prefer('minimal')), {});
assert.equal((await create(patient(), prefer('OperationOutcome'))).resourceType, 'OperationOutcome');
assert.equal((await create(patient(), prefer('representation'))).resourceType, 'Patient');
