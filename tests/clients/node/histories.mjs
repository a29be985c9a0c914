// History of a resource, a type and the server: newest first, deletions included, page by page.

import assert from 'node:assert/strict';
import { client, create, following, patient, refused } from './common.mjs';

const resourceType = 'Patient';
const { id } = await create(patient());
await client.update({ resourceType, id, body: patient({ id, active: true }) });
await client.patch({ resourceType, id, jsonPatch: [{ op: 'remove', path: '/active' }] });
await client.delete({ resourceType, id });

const mine = (pages) => pages.flatMap((page) => page.entry ?? []).filter((entry) => entry.fullUrl.endsWith(`/Patient/${id}`));
const methods = ['DELETE', 'PATCH', 'PUT', 'POST'];

const ofResource = await client.history({ resourceType, id });
assert.equal(ofResource.type, 'history');
assert.deepEqual(ofResource.entry.map((entry) => entry.request.method), methods);
assert.deepEqual(ofResource.entry.map((entry) => entry.response.status.slice(0, 3)), ['204', '200', '200', '201']);
assert.deepEqual(ofResource.entry.map((entry) => entry.resource?.meta.versionId), [undefined, '3', '2', '1']);

// what others have open in the same PostgreSQL holds back the changes of a type and of the server for a while
const told = async (ask) => {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const entries = mine(await following(await ask()));
    if (entries.length >= methods.length || Date.now() > deadline) return entries.map((entry) => entry.request.method);
  }
};

assert.deepEqual(await told(() => client.history({ resourceType })), methods);
assert.deepEqual(await told(() => client.history()), methods);

// small pages, forwards and back
const pages = await following(await client.request(`Patient/${id}/_history?_count=3`));
assert.deepEqual(pages.map((page) => page.entry.length), [3, 1]);
const back = await client.prevPage({ bundle: pages[1] });
assert.deepEqual(back.entry.map((entry) => entry.request.method), methods.slice(0, 3));

assert.equal((await refused(client.history({ resourceType, id: 'never-used' }), 404)).code, 'not-found');
