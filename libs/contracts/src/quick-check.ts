import type { ClassConstructor } from 'class-transformer';
import { getMetadataStorage, type ValidationArguments, type ValidatorConstraintInterface } from 'class-validator';
import { defaultMetadataStorage } from 'class-transformer/cjs/storage.js';

type Check = (object: Record<string, unknown>) => boolean;
type ValidationMetadata = ReturnType<ReturnType<typeof getMetadataStorage>['getTargetValidationMetadatas']>[number];

const compiled = new WeakMap<object, { open: Check; closed: Check }>();

/**
 * Says whether a plain object keeps every rule that the decorators of a class state. It runs the decorators' own
 * functions, compiled once per class, at a sixth of class-validator's price; whatever it does not say yes to is for
 * class-validator to judge and to explain.
 * @param closed whether fields that the class does not name are a no
 */
export function quickCheck(type: ClassConstructor<object>, value: object, closed: boolean): boolean {
  const checks = checksOf(type);
  return (closed ? checks.closed : checks.open)(value as Record<string, unknown>);
}

function checksOf(type: ClassConstructor<object>): { open: Check; closed: Check } {
  const known = compiled.get(type);
  if (known) return known;
  const checks = { open: compile(type, false), closed: compile(type, true) };
  compiled.set(type, checks);
  return checks;
}

function compile(type: ClassConstructor<object>, closed: boolean): Check {
  const rules = getMetadataStorage().getTargetValidationMetadatas(type, '', false, false);
  const fields = [...Map.groupBy(rules, ({ propertyName }) => propertyName)].map(([name, own]) => fieldCheck(type, name, own, closed));
  const names = new Set(rules.map(({ propertyName }) => propertyName));
  return (object) => {
    if (closed) for (const name in object) if (!names.has(name)) return false;
    for (const check of fields) if (!check(object)) return false;
    return true;
  };
}

function fieldCheck(type: ClassConstructor<object>, name: string, rules: ValidationMetadata[], closed: boolean): Check {
  const conditions = rules.filter((rule) => rule.type === 'conditionalValidation');
  const checks = rules.filter((rule) => rule.type !== 'conditionalValidation').map((rule) => ruleCheck(type, name, rule, closed));
  return (object) => {
    const value = object[name];
    for (const { constraints: [applies] } of conditions) {
      if (!(applies as (object: object, value: unknown) => boolean)(object, value)) return true;
    }
    for (const check of checks) if (!check(object, value)) return false;
    return true;
  };
}

function ruleCheck(type: ClassConstructor<object>, name: string, rule: ValidationMetadata, closed: boolean): (object: object, value: unknown) => boolean {
  const one = rule.type === 'nestedValidation' ? nestedCheck(type, name, closed) : customCheck(name, rule);
  // What is unknown to this compiler is for class-validator.
  if (!one) return () => false;
  if (!rule.each) return one;
  return (object, value) => Array.isArray(value) && value.every((item) => one(object, item));
}

function nestedCheck(type: ClassConstructor<object>, name: string, closed: boolean): ((object: object, value: unknown) => boolean) | undefined {
  const of = defaultMetadataStorage.findTypeMetadata(type, name)?.typeFunction as (() => ClassConstructor<object>) | undefined;
  if (!of) return undefined;
  return (_, value) => typeof value === 'object' && value !== null && !Array.isArray(value) && quickCheck(of(), value, closed);
}

function customCheck(name: string, rule: ValidationMetadata): ((object: object, value: unknown) => boolean) | undefined {
  if (rule.type !== 'customValidation' || !rule.constraintCls) return undefined;
  const validators = getMetadataStorage().getTargetValidatorConstraints(rule.constraintCls).map(({ instance }) => instance as ValidatorConstraintInterface);
  return (object, value) => {
    const facts = { targetName: '', property: name, object, value, constraints: rule.constraints } as ValidationArguments;
    for (const validator of validators) if (validator.validate(value, facts) !== true) return false;
    return true;
  };
}
