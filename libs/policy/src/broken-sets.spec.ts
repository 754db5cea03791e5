import fc from 'fast-check';
import { readInDev, sampleFiles, smallFiles } from '../test/sets.js';
import { checkPolicySet } from './check.js';
import { loadPolicySet, type PolicyFiles } from './policy-set.js';
import { renderProblem } from './problem.js';
import type { ProblemCode } from './problem.js';

type Row = [title: string, code: ProblemCode, files: PolicyFiles, position?: string];

const small = smallFiles(readInDev);
const without = (name: string): PolicyFiles => Object.fromEntries(Object.entries(small).filter(([path]) => path !== name));
const withFile = (name: string, text: string): PolicyFiles => ({ ...small, [name]: text });
const catalog = (from: string, to: string): PolicyFiles => {
  if (!small['catalog.yaml']!.includes(from)) throw new Error(`the catalog has no ${from}`);
  return withFile('catalog.yaml', small['catalog.yaml']!.replace(from, to));
};
const rules = (...cedar: string[]): PolicyFiles => smallFiles([readInDev, ...cedar].join('\n'));
const review = (annotations: string, condition = 'context.sensitivity == "production"'): PolicyFiles => (
  rules(`@id("review") @reason("r") ${annotations}\nforbid (principal, action == Action::"autoApprove", resource) when { ${condition} };`)
);
const deny = (id: string, condition: string): string => `@id("${id}") @reason("r") forbid (principal, action == Action::"consider", resource) when { ${condition} };`;
const oblige = (annotations: string): PolicyFiles => rules(`@id("o") @reason("r") ${annotations} permit (principal, action == Action::"oblige", resource);`);
const permit = (condition: string): PolicyFiles => rules(`@id("p") @reason("é—ü")\npermit (principal, action == Action::"autoApprove", resource)\nwhen { ${condition} };`);
const cases = (text: string): PolicyFiles => withFile('cases.yaml', text);
const assertion = (when: string, cedar = readInDev): PolicyFiles => smallFiles(cedar, { cases: `${small['cases.yaml']}assertions:\n  - name: mine\n    never: approve\n    when: ${when}\n` });
const response = (condition: string, most = 'suspend'): PolicyFiles => withFile('response.yaml', `rules:\n  - { id: a, reason: r, most: ${most}${condition && `, ${condition}`} }\n`);
const request = '{ requester: a, team: orders, resource: orders, scopes: ["orders:read"], environment: dev, ttl: PT1H }';
const members = (list: string): ((text: string) => string) => (text) => text.replace('security: {}', `security: { members: [${list}] }`);
const prodReview = (annotations: string): string => `${readInDev}@id("review") @reason("r") ${annotations}\nforbid (principal, action == Action::"autoApprove", resource) when { context.sensitivity == "production" };`;

const table: Row[] = [
  // the set as a whole
  ['no catalog', 'missing-file', without('catalog.yaml')],
  ['no cases', 'missing-file', without('cases.yaml')],
  ['no rules', 'missing-file', without('rules.cedar')],
  ['a stray file', 'unexpected-file', withFile('notes.txt', 'x')],
  ['a path out of the folder', 'bad-path', withFile('../rules.cedar', readInDev)],
  ['an absolute path', 'bad-path', withFile('/etc/rules.cedar', readInDev)],
  ['too many files', 'too-many-files', Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`f${i}.cedar`, '']))],
  ['a file too large', 'file-too-large', withFile('rules.cedar', `${readInDev}//${'x'.repeat(256 * 1024)}`)],
  ['a set too large', 'set-too-large', Object.fromEntries([...Object.entries(small), ...Array.from({ length: 5 }, (_, i) => [`f${i}.cedar`, `//${'x'.repeat(250 * 1024)}`])])],
  ['half a surrogate', 'not-unicode', withFile('rules.cedar', `// \ud800\n${readInDev}`)],
  // YAML
  ['an empty catalog', 'yaml-syntax', withFile('catalog.yaml', '')],
  ['YAML that does not parse', 'yaml-syntax', catalog('teams: {', 'teams: {{')],
  ['a resource listed twice', 'yaml-duplicate-key', catalog('resources:\n', 'resources:\n  orders: {}\n'), '6:3'],
  ['a billion laughs', 'yaml-alias', withFile('catalog.yaml', `a: &a [x, x]\n${[...'bcdefghi'].map((c, i) => `${c}: &${c} [${Array(9).fill(`*${String.fromCharCode(97 + i)}`).join(', ')}]`).join('\n')}`)],
  ['a cycle', 'yaml-alias', withFile('catalog.yaml', 'teams: &t { orders: *t }')],
  ['a merge key', 'yaml-alias', catalog('teams: { orders: {}', 'teams: { <<: *x, orders: {}')],
  ['a tag', 'yaml-tag', catalog('owner: orders', 'owner: !!binary b3JkZXJz')],
  ['a tag of the author\'s own', 'yaml-tag', catalog('owner: orders', 'owner: !env ORDERS_OWNER')],
  ['a pile of brackets', 'yaml-too-deep', withFile('catalog.yaml', `teams: ${'['.repeat(20_000)}`)],
  ['a deep tree', 'yaml-too-deep', withFile('catalog.yaml', `teams: ${'['.repeat(40)}${']'.repeat(40)}`)],
  ['two documents', 'yaml-many-documents', withFile('catalog.yaml', `${small['catalog.yaml']}---\nteams: {}\n`)],
  ['a misspelt key', 'unknown-key', catalog('owner: orders', 'ownr: orders'), '6:5'],
  ['a missing owner', 'missing-key', catalog('    owner: orders\n', '')],
  ['a number for a team', 'wrong-type', catalog('owner: orders', 'owner: 7')],
  ['a list for a map', 'wrong-type', catalog('teams: { orders: {}, billing: {} }', 'teams: [orders]')],
  ['an unknown tier', 'bad-value', catalog('tier: write', 'tier: wirte')],
  ['an unknown sensitivity', 'bad-value', catalog('sensitivity: production', 'sensitivity: prod')],
  ['a wildcard scope in the catalog', 'bad-value', catalog('"orders:admin"', '"orders:*"')],
  ['a prototype for a team', 'bad-value', catalog('teams: { orders: {}', 'teams: { __proto__: {}, orders: {}')],
  ['no scopes', 'empty-list', catalog('scopes: { "orders:read": { tier: read }, "orders:export": { tier: read }, "orders:write": { tier: write }, "orders:admin": { tier: admin } }', 'scopes: {}')],
  // catalog
  ['an owner that is no team', 'unknown-team', catalog('owner: orders', 'owner: ordres'), '6:12'],
  ['an owner that is no group', 'unknown-group', catalog('groups: { orders: {}, ', 'groups: { ')],
  ['a group of nobody', 'empty-group', catalog('security: {}', 'security: { members: [] }')],
  ['a member listed twice', 'duplicate-value', catalog('security: {}', 'security: { members: [eve, eve] }')],
  ['one scope of two resources', 'duplicate-scope', withFile('catalog.yaml', `${small['catalog.yaml']}  billing:\n    owner: orders\n    environments: { dev: { sensitivity: development } }\n    scopes: { "orders:read": { tier: write } }\n`)],
  // how far the monitor may go
  ['a detector that there is not', 'bad-value', response('detectors: [burst]'), '2:52'],
  ['an action that there is not', 'bad-value', response('', 'stop')],
  ['a rule for a team that there is not', 'bad-value', response('teams: [ordres]')],
  ['a rule for an environment that there is not', 'bad-value', response('environments: [live]')],
  ['a rule for no owner', 'empty-list', response('owners: []')],
  ['a pattern in the middle of an owner', 'bad-value', response('owners: ["svc:*:a"]')],
  ['a rule for scopes and tiers', 'bad-value', response('scopes: ["orders:read"], tiers: [read]')],
  ['a rule for more than there is', 'unknown-key', response('country: nz')],
  ['two rules of one id', 'duplicate-rule-id', withFile('response.yaml', 'rules:\n  - { id: a, reason: r, most: note }\n  - { id: a, reason: r, most: note }\n'), '3:11'],
  ['no rules of how far', 'empty-list', withFile('response.yaml', 'rules: []')],
  ['a rule of how far without a reason', 'missing-key', withFile('response.yaml', 'rules: [{ id: a, most: note }]')],
  // Cedar
  ['a rule that does not parse', 'cedar-syntax', permit('context.ttlSeconds <= <= 3'), '8:30'],
  ['a rule without its end', 'cedar-syntax', rules('@reason("r") permit (principal, action == Action::"autoApprove", resource)')],
  ['an annotation written twice', 'cedar-syntax', review('@approvers("2") @approvers("1") @group("security")')],
  ['a template', 'cedar-template', rules('@reason("r") permit (principal == ?principal, action == Action::"autoApprove", resource);')],
  ['a pile of parentheses', 'cedar-too-deep', permit(`${'('.repeat(5_000)}true${')'.repeat(5_000)}`)],
  ['a chain that would exhaust the stack of the engine', 'cedar-too-deep', permit(Array(400).fill('context.replaces').join('||'))],
  ['conditions that would exhaust the stack of the engine', 'cedar-too-deep', permit(`true } ${'when{context.replaces}'.repeat(400)} when { true`)],
  ['a rule too large', 'rule-too-large', permit(`context.tiers.containsAny([${Array(2_000).fill('"readonly"').join()}])`)],
  ['too many rules', 'too-many-rules', rules(...Array.from({ length: 501 }, (_, i) => deny(`d${i}`, `context.ttlSeconds > ${i}`)))],
  ['a misspelt attribute', 'cedar-type', permit('context.ttlSecond <= 3'), '8:8'],
  ['a number compared with a text', 'cedar-type', permit('context.ttlSeconds == "3"')],
  ['an entity that is not in the schema', 'cedar-type', permit('principal == User::"alice"')],
  ['a rule that can never hold', 'cedar-warning', permit('context.ttlSeconds < 3 && false')],
  ['letters of two alphabets in one word', 'cedar-warning', permit('context.tiers.contains("r\u0435ad")')],
  // rules
  ['two rules of one id', 'duplicate-rule-id', rules(deny('read', 'context.ttlSeconds > 3'))],
  ['an id with spaces', 'bad-rule-id', rules(deny('no way', 'context.ttlSeconds > 3'))],
  ['a rule for any question', 'action-not-fixed', rules('@reason("r") permit (principal, action, resource);')],
  ['a rule for two questions', 'action-not-fixed', rules('@reason("r") permit (principal, action in [Action::"consider", Action::"oblige"], resource);')],
  ['a misspelt action', 'action-not-fixed', rules('@reason("r") permit (principal, action == Action::"autoApprov", resource);')],
  ['a permit of consider', 'wrong-effect', rules('@reason("r") permit (principal, action == Action::"consider", resource);')],
  ['a forbid of oblige', 'wrong-effect', rules('@reason("r") @max_ttl("P1D") forbid (principal, action == Action::"oblige", resource);')],
  ['a misspelt annotation', 'unknown-annotation', review('@approver("2") @approvers("1") @group("security")')],
  ['approvers on a permit', 'misplaced-annotation', rules('@reason("r") @approvers("2") @group("security") permit (principal, action == Action::"autoApprove", resource);')],
  ['a lifetime on a review rule', 'misplaced-annotation', review('@approvers("2") @group("security") @max_ttl("P1D")')],
  ['a rule without a reason', 'missing-reason', rules('permit (principal, action == Action::"autoApprove", resource);')],
  ['an empty reason', 'missing-reason', rules('@reason(" ") permit (principal, action == Action::"autoApprove", resource);')],
  ['a reason nobody would read', 'annotation-too-long', rules(`@reason("${'r'.repeat(501)}") permit (principal, action == Action::"autoApprove", resource);`)],
  ['approvals left out, which elsewhere meant approved by nobody', 'missing-approvers', review('@group("security")')],
  ['zero approvals, which elsewhere meant approved by nobody', 'zero-quorum', review('@approvers("0") @group("security")'), '6:28'],
  ['a negative zero of approvals', 'zero-quorum', review('@approvers("-0") @group("security")')],
  ['approvals without a number', 'bad-approvers', review('@approvers @group("security")')],
  ['six approvals', 'bad-approvers', review('@approvers("6") @group("security")')],
  ['minus one approvals', 'bad-approvers', review('@approvers("-1") @group("security")')],
  ['approvals in words', 'bad-approvers', review('@approvers("two") @group("security")')],
  ['a review by no group', 'missing-group', review('@approvers("2")')],
  ['a review by an empty group name', 'unknown-group', review('@approvers("2") @group("")')],
  ['a group named as people write it, not by its id', 'unknown-group', review('@approvers("2") @group("Security")'), '6:44'],
  ['a service level in months', 'bad-duration', review('@approvers("2") @group("security") @sla("P1M")')],
  ['a lifetime in seconds without a unit', 'bad-duration', oblige('@max_ttl("86400")')],
  ['a lifetime of nothing', 'bad-duration', oblige('@max_ttl("PT0S")')],
  ['a rotation in years', 'bad-duration', oblige('@rotate("P1Y")')],
  ['a grace of a fraction', 'bad-duration', oblige('@grace("PT0.5S")')],
  ['an obligation nobody could keep', 'bad-bind', oblige('@bind("dpop")')],
  ['an obligation of nothing', 'no-obligation', oblige('')],
  // cases
  ['no case at all', 'no-cases', cases('cases: []')],
  ['two cases of one name', 'duplicate-case', cases(`cases:\n${`  - { name: a, request: ${request}, expect: { outcome: approve } }\n`.repeat(2)}`)],
  ['a case of an unknown outcome', 'bad-value', cases(`cases: [{ name: a, request: ${request}, expect: { outcome: allow } }]`)],
  ['a case decided by an unknown rule', 'unknown-rule', cases(`cases: [{ name: a, request: ${request}, expect: { outcome: approve, because: [raed] } }]`)],
  ['a case with a lifetime in months', 'bad-duration', cases(`cases: [{ name: a, request: ${request.replace('PT1H', 'P1M')}, expect: { outcome: approve } }]`)],
  ['a case that fails', 'case-failed', cases(`cases:\n  - name: a\n    request: ${request}\n    expect: { outcome: deny }`), '2:11'],
  ['an assertion about a misspelt scope, which would always hold', 'bad-value', assertion('{ scopes: ["orders:raed"] }')],
  // analysis
  ['a rule for an environment that does not exist', 'unreachable-rule', permit('context.environment == "prdo"')],
  ['a rule for a scope that does not exist', 'unreachable-rule', permit('context.scopes.contains("orders:*")')],
  ['a rule whose conditions exclude each other', 'unreachable-rule', permit('context.ttlSeconds < 10 && context.ttlSeconds > 20')],
  ['a rule for names of two kinds at once', 'unreachable-rule', permit('principal.id like "svc:*" && principal.id like "user:*"')],
  ['a deny within another', 'shadowed-deny', rules(deny('wide', 'context.ttlSeconds > 100'), deny('narrow', 'context.ttlSeconds > 200'))],
  ['a deny that two others cover', 'shadowed-deny', rules(deny('a', 'context.ttlSeconds > 100'), deny('b', 'context.ttlSeconds < 50'), deny('c', 'context.ttlSeconds > 200 || context.ttlSeconds < 20'))],
  ['the same deny twice', 'shadowed-deny', rules(deny('a', 'context.ttlSeconds > 100'), deny('b', 'context.ttlSeconds > 100'))],
  ['a review of what is denied anyway', 'shadowed-deny', rules(deny('a', 'context.sensitivity == "production"'), '@id("b") @reason("r") @approvers("1") @group("security") forbid (principal, action == Action::"autoApprove", resource) when { context.environment == "prod" };')],
  ['more approvals than members', 'quorum-unreachable', smallFiles(prodReview('@approvers("3") @group("security")'), { catalog: members('alice, bob') })],
  ['a group of the requester alone', 'group-needs-requester', smallFiles(prodReview('@approvers("1") @group("security")'), { catalog: members('alice') })],
  ['a quorum that needs the requester', 'group-needs-requester', smallFiles(prodReview('@approvers("2") @group("security")'), { catalog: members('alice, bob') })],
  ['a group of owners of the requesting service', 'group-needs-requester', smallFiles(prodReview('@approvers("1") @group("security")'), { catalog: (text) => `${members('alice, bob')(text)}requesters: { "svc:a": { team: orders, owners: [alice, bob] } }\n` })],
  ['an owner group of one', 'group-needs-requester', catalog('groups: { orders: {}', 'groups: { orders: { members: [alice] }')],
  ['writing to production without a human', 'assertion-failed', permit('context.tiers.contains("write") && context.ttlSeconds < 60')],
  ['administering production without a human when shrinking', 'assertion-failed', permit('context.shrinkOnly')],
  ['production without a human for one name only', 'assertion-failed', permit('principal == Requester::"root"')],
  ['an assertion of the author\'s that does not hold', 'assertion-failed', assertion('{ environments: [dev], longerThan: PT10M }'), '7:11'],
  ['a product of facts, which could overflow', 'not-analysable', permit('context.ttlSeconds * 9223372036854775807 > 3')],
  ['one fact ordered by another', 'not-analysable', permit('context.ttlSeconds > principal.openIncidents')],
  ['an address made of a name', 'not-analysable', permit('context.tiers == context.scopes')],
  ['more than can be tried', 'analysis-too-large', rules(...Array.from({ length: 60 }, (_, i) => (
    `@id("p${i}") @reason("r") permit (principal, action == Action::"autoApprove", resource) when { principal.openIncidents == ${i * 5} && context.ttlSeconds == ${i * 7 + 3} && principal.id == "n${i}" && context.submitter == "m${i}" };`
  )))],
];

describe('a broken or dangerous policy set', () => {
  it.each(table.map(([title, code, files, position]) => ({ title, code, files, position })))('is refused: $title ($code)', ({ code, files, position }) => {
    const { valid, problems } = checkPolicySet(files);
    expect(valid).toBe(false);
    expect(problems.map((problem) => problem.code)).toContain(code);
    const found = problems.find((problem) => problem.code === code)!;
    if (position) expect(`${found.line}:${found.column}`).toBe(position);
  });

  it('is one of at least sixty', () => {
    expect(table.length).toBeGreaterThanOrEqual(60);
  });
});

describe('a sound policy set', () => {
  it.each([['small', small], ['sample', sampleFiles]])('is accepted: %s', (_title, files) => {
    expect(checkPolicySet(files)).toMatchObject({ valid: true, problems: [] });
  });
});

describe('a problem', () => {
  it('names line and column in characters, though Cedar counts bytes', () => {
    const files = permit('context.ttlSeconds <= 3 && "é—ü" != context.environment && context.tll <= 3');
    const { problems: [problem] } = checkPolicySet(files);
    expect(renderProblem(problem!, files).split('\n').slice(1)).toEqual([
      '  when { context.ttlSeconds <= 3 && "é—ü" != context.environment && context.tll <= 3 };',
      `  ${' '.repeat(66)}^`,
    ]);
  });

  it('says what was probably meant', () => {
    expect(checkPolicySet(review('@approvers("2") @group("secruity")')).problems[0]!.message).toContain('did you mean "security"?');
    expect(checkPolicySet(catalog('owner: orders', 'owner: ordres')).problems[0]!.message).toContain('did you mean "orders"?');
    expect(checkPolicySet(permit('context.ttlSecond <= 3')).problems[0]!.message).toContain('did you mean `ttlSeconds`?');
  });
});

it('every set is loaded or has problems, whatever stands in its files and however they are called (G9)', () => {
  const files = Object.entries(sampleFiles);
  const crumbs = fc.oneof(fc.string({ unit: 'binary', maxLength: 4 }), fc.constantFrom('', '\n', '  ', '\t', ': ', '- ', '{', '}', '[', ']', '&a ', '*a', '!!js ', '---\n', '"', "'", '#', '@id("', '(', ')', ';', '::', 'when {', '//', '\u0000', '\ud800', '1e999', '__proto__: '));
  const edits = fc.array(fc.record({ file: fc.nat(files.length - 1), at: fc.double({ min: 0, max: 1, noNaN: true }), cut: fc.nat(40), put: crumbs }), { minLength: 1, maxLength: 3 });
  const edited = edits.map((all) => all.reduce<PolicyFiles>((set, { file, at, cut, put }) => {
    const name = files[file]![0];
    const text = set[name]!;
    const from = Math.floor(at * text.length);
    return { ...set, [name]: text.slice(0, from) + put + text.slice(from + cut) };
  }, sampleFiles));
  const madeUp = fc.dictionary(fc.oneof(fc.constantFrom('catalog.yaml', 'cases.yaml', 'rules.cedar', '../x.cedar', '__proto__'), fc.string()), fc.oneof(crumbs, fc.json(), fc.string()), { maxKeys: 4 });
  fc.assert(fc.property(fc.oneof(edited, madeUp), (set) => {
    const { set: loaded, problems } = loadPolicySet(set);
    expect(loaded === undefined).toBe(problems.length > 0);
  }), { numRuns: 300 });
});
