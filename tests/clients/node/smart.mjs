// SMART's own JavaScript client, as an app holds it after a therapist signed in and chose a patient.

import assert from 'node:assert/strict';
import FHIR from 'fhirclient';

const { FHIR_BASE: serverUrl, TOKEN_URL: tokenUri, CLIENT_ID: clientId } = process.env;
const tokenResponse = JSON.parse(process.env.TOKEN_RESPONSE);
const client = FHIR({}, {}).client({ serverUrl, tokenUri, clientId, tokenResponse });
const about = `Patient/${client.patient.id}`;
const query = `Encounter?patient=${about}&_count=4&_sort=-date`;

// who and about whom
assert.equal(await client.getFhirVersion(), '4.0.1');
assert.equal(await client.getFhirRelease(), 4);
assert.equal((await client.patient.read()).id, client.patient.id);
assert.equal(client.user.fhirUser, 'Practitioner/prac-th');
assert.equal((await client.user.read()).id, 'prac-th');
const everybody = await client.request('Patient', { pageLimit: 0, flat: true });
assert.deepEqual(everybody.map(({ id }) => id), [client.patient.id]);

// one page, all pages, all pages in one list
assert.equal((await client.request(query)).entry.length, 4);
const pages = await client.request(query, { pageLimit: 0 });
const flat = await client.request(query, { pageLimit: 0, flat: true });
assert.ok(pages.length > 3);
assert.deepEqual(flat, pages.flatMap((page) => page.entry.map(({ resource }) => resource)));
assert.equal(new Set(flat.map(({ id }) => id)).size, flat.length);
const streamed = [];
for await (const resource of client.resources(query)) streamed.push(resource);
assert.deepEqual(streamed, flat);

// what belongs to the patient, by the search parameter that the CapabilityStatement names
assert.deepEqual((await client.patient.request('Encounter?_count=4&_sort=-date', { flat: true })), flat.slice(0, 4));
for (const type of ['Condition', 'MedicationRequest', 'CarePlan', 'AllergyIntolerance', 'Coverage', 'Appointment']) {
  assert.ok(Array.isArray(await client.patient.request(type, { flat: true })), type);
}

// references in their place, or beside
const resolved = await client.request(query, { flat: true, resolveReferences: ['subject', 'participant.0.individual'] });
assert.ok(resolved.every(({ subject }) => subject.resourceType === 'Patient' && subject.id === client.patient.id));
assert.ok(resolved.some(({ participant }) => participant?.[0].individual.resourceType?.startsWith('Practitioner')));
const beside = await client.request(query, { pageLimit: 0, flat: true, graph: false, resolveReferences: ['subject'] });
assert.deepEqual(Object.keys(beside.references), [about]);
assert.equal(beside.data.length, flat.length);

// write; the client sends application/json, and Prefer: return=presentation with a patch
const code = { text: 'a home measurement' };
const made = await client.create({ resourceType: 'Observation', status: 'preliminary', code, subject: { reference: about }, effectiveDateTime: '2026-05-01' });
assert.equal(made.meta.versionId, '1');
const url = `Observation/${made.id}`;
const patched = await client.patch(url, [{ op: 'replace', path: '/status', value: 'final' }]);
assert.deepEqual([patched.status, patched.meta.versionId], ['final', '2']);
assert.equal((await client.update({ ...patched, status: 'amended' })).meta.versionId, '3');
const { response } = await client.delete(url, { includeResponse: true });
assert.equal(response.status, 204);

// failures
const failure = async (promise) => promise.then(() => assert.fail('It went well.'), (error) => error);
assert.equal((await failure(client.request(url))).status, 410);
for (const [path, status] of [['Patient/pat-2', 404], ['Observation/never-used', 404], ['Observation?date=x', 400]]) {
  const error = await failure(client.request(path));
  assert.equal(error.status, status);
  assert.match(error.message, /"resourceType": "OperationOutcome"/);
}

// the access token is renewed with the refresh token alone: a public app does not name itself
const before = client.state.tokenResponse;
await client.refresh();
const after = client.state.tokenResponse;
assert.notEqual(after.access_token, before.access_token);
assert.notEqual(after.refresh_token, before.refresh_token);
assert.equal((await client.patient.read()).id, client.patient.id);
