// Searches by GET, by POST, in a compartment and over all types; pages forwards and backwards.

import assert from 'node:assert/strict';
import { client, create, following, ids, number, observation, patient, refused, sorted, system } from './common.mjs';

const code = number();
const subject = (await create(patient())).id;
const stranger = (await create(patient())).id;
const made = [];
for (let day = 1; day <= 7; day += 1) {
  made.push((await create(observation(subject, code, { effectiveDateTime: `2026-05-0${day}` }))).id);
}
await create(observation(stranger, code));

const search = (searchParams, options) => client.search({ resourceType: 'Observation', searchParams, options });
const mine = { patient: subject, _sort: 'date', _count: 3 };

// every page forwards, and back again
const pages = await following(await search(mine));
assert.deepEqual(pages.map((page) => page.entry.length), [3, 3, 1]);
assert.deepEqual(pages.flatMap(ids), made);
const back = await client.prevPage({ bundle: pages[2] });
assert.deepEqual(ids(back), ids(pages[1]));
assert.deepEqual(ids(await client.prevPage({ bundle: back })), ids(pages[0]));
assert.equal(client.prevPage({ bundle: pages[0] }), undefined);
assert.equal(client.nextPage({ bundle: pages[2] }), undefined);

// the same by POST, page by page
const posted = await following(await search(mine, { postSearch: true }));
assert.deepEqual(posted.flatMap(ids), made);

// repeated parameters are and, commas are or; unknown ones are named, or refused when that is wanted
assert.deepEqual(ids(await search({ patient: subject, date: ['ge2026-05-02', 'lt2026-05-04'], _sort: 'date' })), made.slice(1, 3));
assert.equal((await search({ code: `${system}|${code}`, patient: `${subject},${stranger}`, _total: 'accurate' })).total, 8);
const lenient = await search({ patient: subject, nonsense: '1', _count: 1 });
assert.ok(lenient.entry.some((entry) => entry.search.mode === 'outcome'));
await refused(search({ nonsense: '1' }, { headers: { Prefer: 'handling=strict' } }), 400);

// chains, reverse chains, includes
const families = await search({ 'patient:Patient.name': 'Node', code: `${system}|${code}`, _total: 'accurate', _count: 0 });
assert.equal(families.total, 8);
const reverse = await client.search({ resourceType: 'Patient', searchParams: { '_has:Observation:patient:code': `${system}|${code}` } });
assert.deepEqual(sorted(ids(reverse)), sorted([subject, stranger]));
const included = await search({ _id: made[0], _include: 'Observation:subject' });
assert.deepEqual(included.entry.map((entry) => entry.search.mode), ['match', 'include']);

// references are resolved in the Bundle, and elsewhere by a read
const [{ resource }] = included.entry;
assert.equal((await client.resolve({ reference: resource.subject.reference, context: included })).id, subject);
assert.equal((await client.resolve({ reference: resource.subject.reference })).id, subject);
assert.equal((await client.resolve({ reference: included.entry[1].fullUrl })).id, subject);

// the compartment of a patient, by GET and POST
const compartment = { resourceType: 'Patient', id: subject };
for (const options of [{}, { postSearch: true }]) {
  const inside = await client.search({ resourceType: 'Observation', compartment, searchParams: { _sort: 'date' }, options });
  assert.deepEqual(ids(inside), made);
}

// all types together, by GET and POST
for (const options of [{}, { postSearch: true }]) {
  const both = await client.search({ searchParams: { _type: 'Patient,Observation', _id: `${subject},${made[0]}` }, options });
  assert.deepEqual(sorted(ids(both)), sorted([subject, made[0]]));
}
