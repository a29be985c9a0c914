-- MedicationRequest?patient=Patient/1&status=active
SELECT 'match' AS mode, 'MedicationRequest' AS resource_type, r.id, r.version, r.last_updated, r.body FROM (SELECT * FROM fhir_medication_request r WHERE NOT r.deleted AND r.patient = $1 AND $2 = ANY(r.terms) OFFSET 0) r ORDER BY r.id ASC LIMIT $3;

-- DocumentReference?patient=Patient/1&category=urn:s|note&_sort=-date&_count=20
SELECT 'match' AS mode, 'DocumentReference' AS resource_type, r.id, r.version, r.last_updated, r.body, r.date_start AS key0 FROM (SELECT * FROM fhir_document_reference r WHERE NOT r.deleted AND r.patient = $1 AND $2 = ANY(r.terms) OFFSET 0) r ORDER BY r.date_start DESC NULLS LAST, r.id ASC LIMIT $3;

-- EpisodeOfCare?status=active&_lastUpdated=gt2026-01-01&_count=50
SELECT 'match' AS mode, 'EpisodeOfCare' AS resource_type, r.id, r.version, r.last_updated, r.body, r.last_updated AS key0 FROM fhir_episode_of_care r WHERE NOT r.deleted AND r.terms @> ARRAY[$1] AND r.last_updated >= $2::timestamptz AND r.tx < pg_snapshot_xmin(pg_current_snapshot()) ORDER BY r.last_updated ASC, r.id ASC LIMIT $3;

-- EpisodeOfCare?_id=1&_include=EpisodeOfCare:patient
WITH page AS MATERIALIZED (SELECT r.id, r.version, r.last_updated, r.body, r.patient, r.terms, row_number() OVER (ORDER BY r.id ASC) AS place FROM (SELECT * FROM fhir_episode_of_care r WHERE NOT r.deleted AND r.id = $1 OFFSET 0) r ORDER BY r.id ASC LIMIT $2) SELECT 'match' AS mode, 'EpisodeOfCare' AS resource_type, id, version, last_updated, body, place FROM page UNION ALL (SELECT 'include', 'Patient', id, version, last_updated, body, NULL::bigint FROM fhir_patient i WHERE NOT i.deleted AND i.id IN (SELECT h.patient FROM (SELECT * FROM page WHERE place < $2) h) LIMIT 5001) ORDER BY place NULLS LAST;

-- MedicationRequest?identifier=urn:s|1
SELECT 'match' AS mode, 'MedicationRequest' AS resource_type, r.id, r.version, r.last_updated, r.body FROM (SELECT * FROM fhir_medication_request r WHERE NOT r.deleted AND r.terms @> ARRAY[$1] OFFSET 0) r ORDER BY r.id ASC LIMIT $2;

-- MedicationRequest?requester=Practitioner/1&status=active,on-hold&_sort=-authoredon
SELECT 'match' AS mode, 'MedicationRequest' AS resource_type, r.id, r.version, r.last_updated, r.body, r.authoredon_start AS key0 FROM fhir_medication_request r WHERE NOT r.deleted AND r.terms @> ARRAY[$1] AND (r.terms @> ARRAY[$2] OR r.terms @> ARRAY[$3]) ORDER BY r.authoredon_start DESC NULLS LAST, r.id ASC LIMIT $4;

-- MedicationRequest?patient.identifier=urn:s|1
SELECT 'match' AS mode, 'MedicationRequest' AS resource_type, r.id, r.version, r.last_updated, r.body FROM (SELECT * FROM fhir_medication_request r WHERE NOT r.deleted AND (r.patient = ANY(ARRAY(SELECT c1.id FROM fhir_patient c1 WHERE NOT c1.deleted AND c1.terms @> ARRAY[$1]))) OFFSET 0) r ORDER BY r.id ASC LIMIT $2;

-- MedicationRequest?requester.name=kim
SELECT 'match' AS mode, 'MedicationRequest' AS resource_type, r.id, r.version, r.last_updated, r.body FROM fhir_medication_request r WHERE NOT r.deleted AND (r.id IN (SELECT c2.id FROM fhir_organization c1 JOIN fhir_medication_request c2 ON c2.terms @> ARRAY['requester=Organization/' || c1.id] WHERE NOT c1.deleted AND c1.id IN (SELECT i.id FROM index_string i WHERE i.resource_type = 'Organization' AND i.parameter = 'name' AND ((i.prefix >= $1 AND i.prefix < $2))) UNION ALL SELECT c4.id FROM fhir_patient c3 JOIN fhir_medication_request c4 ON c4.terms @> ARRAY['requester=Patient/' || c3.id] WHERE NOT c3.deleted AND c3.id IN (SELECT i.id FROM index_string i WHERE i.resource_type = 'Patient' AND i.parameter = 'name' AND ((i.prefix >= $3 AND i.prefix < $4))) UNION ALL SELECT c6.id FROM fhir_practitioner c5 JOIN fhir_medication_request c6 ON c6.terms @> ARRAY['requester=Practitioner/' || c5.id] WHERE NOT c5.deleted AND c5.id IN (SELECT i.id FROM index_string i WHERE i.resource_type = 'Practitioner' AND i.parameter = 'name' AND ((i.prefix >= $5 AND i.prefix < $6))) UNION ALL SELECT c8.id FROM fhir_related_person c7 JOIN fhir_medication_request c8 ON c8.terms @> ARRAY['requester=RelatedPerson/' || c7.id] WHERE NOT c7.deleted AND c7.id IN (SELECT i.id FROM index_string i WHERE i.resource_type = 'RelatedPerson' AND i.parameter = 'name' AND ((i.prefix >= $7 AND i.prefix < $8))))) ORDER BY r.id ASC LIMIT $9;

-- Patient?name=kim&birthdate=1980
SELECT 'match' AS mode, 'Patient' AS resource_type, r.id, r.version, r.last_updated, r.body FROM fhir_patient r WHERE NOT r.deleted AND r.id IN (SELECT i.id FROM index_string i WHERE i.resource_type = 'Patient' AND i.parameter = 'name' AND ((i.prefix >= $1 AND i.prefix < $2))) AND (r.birthdate_start >= $3::timestamptz AND r.birthdate_start < $4::timestamptz AND r.birthdate_end <= $4::timestamptz) ORDER BY r.id ASC LIMIT $5;

-- Patient?_has:Observation:patient:code=urn:s|1
SELECT 'match' AS mode, 'Patient' AS resource_type, r.id, r.version, r.last_updated, r.body FROM fhir_patient r WHERE NOT r.deleted AND r.id IN (SELECT c1.patient FROM fhir_observation c1 WHERE NOT c1.deleted AND c1.terms @> ARRAY[$1]) ORDER BY r.id ASC LIMIT $2;

-- Observation?code:not=1&_tag:missing=true
SELECT 'match' AS mode, 'Observation' AS resource_type, r.id, r.version, r.last_updated, r.body FROM fhir_observation r WHERE NOT r.deleted AND NOT r.terms @> ARRAY[$1] AND NOT EXISTS (SELECT FROM unnest(r.terms) t WHERE starts_with(t, '_tag=') OR starts_with(t, '_tag:')) ORDER BY r.id ASC LIMIT $2;

-- Observation?combo-code-value-quantity=8480-6$gt140
SELECT 'match' AS mode, 'Observation' AS resource_type, r.id, r.version, r.last_updated, r.body FROM fhir_observation r WHERE NOT r.deleted AND (((r.terms @> ARRAY[$1] AND r.id IN (SELECT i.id FROM index_quantity i WHERE i.resource_type = 'Observation' AND i.parameter = 'value-quantity' AND (((i.high > $2::numeric OR i.high IS NULL)))))) OR ((r.id IN (SELECT i.id FROM index_quantity i WHERE i.resource_type = 'Observation' AND i.parameter = $3 AND (((i.high > $4::numeric OR i.high IS NULL))))))) ORDER BY r.id ASC LIMIT $5;

-- Encounter?_revinclude=Provenance:target
WITH page AS MATERIALIZED (SELECT r.id, r.version, r.last_updated, r.body, r.patient, r.terms, row_number() OVER (ORDER BY r.id ASC) AS place FROM fhir_encounter r WHERE NOT r.deleted ORDER BY r.id ASC LIMIT $1) SELECT 'match' AS mode, 'Encounter' AS resource_type, id, version, last_updated, body, place FROM page UNION ALL (SELECT 'include', 'Provenance', id, version, last_updated, body, NULL::bigint FROM fhir_provenance i WHERE NOT i.deleted AND i.id IN (SELECT s.id FROM (SELECT * FROM page WHERE place < $1) h JOIN fhir_provenance s ON s.terms @> ARRAY['target=Encounter/' || h.id]) LIMIT 5001) ORDER BY place NULLS LAST;

