// What the server says that it does, what it does when it is asked, and where its authorization server is.

import assert from 'node:assert/strict';
import { CapabilityTool, Client } from 'fhir-kit-client';
import { base, client } from './common.mjs';

const anybody = new Client({ baseUrl: base });
const statement = await anybody.capabilityStatement();
assert.equal(statement.fhirVersion, '4.0.1');
for (const format of ['application/json-patch+json', 'application/merge-patch+json', 'application/fhir+json']) assert.ok(statement.patchFormat.includes(format), format);

const tool = new CapabilityTool(statement);
for (const interaction of ['transaction', 'batch', 'search-system', 'history-system']) {
  assert.ok(tool.serverCan(interaction), interaction);
}
const types = tool.serverCapabilities().resource.map(({ type }) => type);
for (const type of types) {
  for (const interaction of ['read', 'vread', 'create', 'update', 'patch', 'delete', 'search-type', 'history-type', 'history-instance']) {
    assert.ok(tool.resourceCan(type, interaction), `${type} ${interaction}`);
  }
  assert.ok(tool.resourceSearch(type, '_lastUpdated'), type);
  const included = (tool.capabilityContents({ resourceType: type, capabilityType: 'searchInclude' }) ?? []).join();
  const options = { headers: { Prefer: 'handling=strict' } };
  const answer = await client.search({ resourceType: type, searchParams: { _count: 1, ...(included && { _include: included.split(',') }) }, options });
  assert.equal(answer.type, 'searchset', type);
}

// Three documents race for the answer: all of them name the same addresses.
for (let attempt = 0; attempt < 5; attempt += 1) {
  const { authorizeUrl, tokenUrl } = await anybody.smartAuthMetadata();
  assert.equal(authorizeUrl.href, base.replace(/\/fhir$/, '/oauth/authorize'));
  assert.equal(tokenUrl.href, base.replace(/\/fhir$/, '/oauth/token'));
}
