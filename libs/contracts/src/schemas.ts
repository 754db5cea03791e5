import { getMetadataStorage } from 'class-validator';
import { validationMetadatasToSchemas } from 'class-validator-jsonschema';
import { defaultMetadataStorage } from 'class-transformer/cjs/storage.js';

export type JsonSchema = Record<string, unknown>;

/**
 * The JSON Schemas of every checked class that is loaded, by class name. They come from the very decorators that check
 * messages and bodies, so that no document can say anything else than the code.
 * @param refPrefix what references to other schemas begin with
 */
export function jsonSchemas(refPrefix = '#/components/schemas/'): Record<string, JsonSchema> {
  const schemas = validationMetadatasToSchemas({
    classValidatorMetadataStorage: getMetadataStorage(),
    classTransformerMetadataStorage: defaultMetadataStorage,
    refPointerPrefix: refPrefix,
    additionalConverters: {
      isDuration: { type: 'string', format: 'duration' },
      isWellFormed: {},
      isRecord: {},
      isIso8601: { type: 'string', format: 'date-time' },
    },
  }) as Record<string, JsonSchema>;
  // A field that holds any record has no class of its own; its schema refers to this name.
  return { ...schemas, Object: { type: 'object' } };
}

/** Only the schemas that a document refers to, and those that these refer to. */
export function schemasFor(document: unknown, all: Record<string, JsonSchema> = jsonSchemas()): Record<string, JsonSchema> {
  const found: Record<string, JsonSchema> = {};
  const collect = (value: unknown) => {
    for (const [, name] of JSON.stringify(value ?? null).matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
      const schema = name === undefined ? undefined : all[name];
      if (name === undefined || schema === undefined || name in found) continue;
      found[name] = schema;
      collect(schema);
    }
  };
  collect(document);
  return found;
}
