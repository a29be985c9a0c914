// What every scenario begins with: the server under test, a client that may do everything, fresh numbers.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { Client } from 'fhir-kit-client';

export const base = process.env.FHIR_BASE;
export const token = process.env.FHIR_TOKEN;
export const client = new Client({ baseUrl: base, bearerToken: token });

export const system = 'https://node.example';
export const number = () => randomUUID();
export const patient = (members = {}) => ({ resourceType: 'Patient', name: [{ family: 'Node', given: ['Pat'] }], ...members });
export const identified = (value, members = {}) => patient({ identifier: [{ system, value }], ...members });
export const observation = (subject, code, members = {}) => ({
  resourceType: 'Observation',
  status: 'final',
  code: { coding: [{ system, code }] },
  subject: { reference: `Patient/${subject}` },
  effectiveDateTime: '2026-05-01',
  ...members,
});
export const create = (body, options) => client.create({ resourceType: body.resourceType, body, options });

export const headers = (answer) => Client.httpFor(answer).response.headers;
export const status = (answer) => Client.httpFor(answer).response.status;
export const ids = (bundle) => (bundle.entry ?? []).map((entry) => entry.resource.id);
export const sorted = (values) => [...values].sort();

// Wait for a refusal; it must be an OperationOutcome with a text. Returns its first issue.
export async function refused(promise, expected) {
  const error = await promise.then(
    () => assert.fail(`It went well, but ${expected} was expected.`),
    (raised) => raised,
  );
  assert.equal(error.response?.status, expected, error.stack);
  const outcome = error.response.data;
  assert.equal(outcome.resourceType, 'OperationOutcome');
  assert.ok(outcome.issue[0].details.text);
  return outcome.issue[0];
}

// Follow the links "next" from a page to the end; returns all pages.
export async function following(page) {
  const pages = [];
  for (let current = page; current; current = await client.nextPage({ bundle: current })) pages.push(current);
  return pages;
}
