// Every failure is an OperationOutcome that the client hands over, with a code, a text and a place.

import assert from 'node:assert/strict';
import { Client } from 'fhir-kit-client';
import { base, client, create, number, observation, patient, refused } from './common.mjs';

const canary = `canary-${number()}`;
const tampered = new Client({ baseUrl: base, bearerToken: `${process.env.FHIR_TOKEN}x` });
const plain = (body, type) => client.request('Patient', { method: 'POST', body, options: { headers: { 'Content-Type': type } } });

const cases = [
  [401, 'login', () => new Client({ baseUrl: base }).read({ resourceType: 'Patient', id: 'pat-1' })],
  [401, 'login', () => tampered.search({ resourceType: 'Patient', searchParams: {} })],
  [404, 'not-found', () => client.read({ resourceType: 'Patient', id: canary })],
  [404, 'not-found', () => client.read({ resourceType: 'Nonsense', id: '1' })],
  [400, undefined, () => create(patient({ birthDate: canary })), 'Patient.birthDate'],
  [400, undefined, () => create(patient({ gender: canary })), 'Patient.gender'],
  [400, undefined, () => create(patient({ managingOrganization: { reference: `Practitioner/${canary}` } })), 'Patient.managingOrganization.reference'],
  [422, 'not-found', () => create(observation(canary, 'x')), 'Observation.subject.reference'],
  [400, undefined, () => client.search({ resourceType: 'Patient', searchParams: { birthdate: canary } }), 'http.birthdate'],
  [400, undefined, () => plain(`{"resourceType":"Patient","${canary}"`, 'application/fhir+json')],
  [415, 'not-supported', () => plain(canary, 'text/plain')],
  [406, 'not-supported', () => client.read({ resourceType: 'Patient', id: 'pat-1', options: { headers: { Accept: 'image/png' } } })],
  [405, 'not-supported', () => client.request('Patient/_search', { method: 'DELETE' })],
  [412, undefined, () => client.request('Patient', { method: 'DELETE' })],
  [409, 'conflict', () => client.delete({ resourceType: 'Patient', id: 'pat-1' })],
];

for (const [status, code, call, expression] of cases) {
  const issue = await refused(call(), status);
  if (code) assert.equal(issue.code, code, `${call}`);
  if (expression) assert.equal(issue.expression?.[0], expression, `${call}`);
  assert.ok(!JSON.stringify(issue).includes(canary), `${call}`);
}
