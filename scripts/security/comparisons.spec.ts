import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

const root = join(import.meta.dirname, '../..');
/** What nobody may find out letter by letter, by the last word of its name. */
const guarded = /(?:secret|mac|hmac|password|passphrase|csrf|signature|tag|verifier|link|bearer|authorization|credentials?|sessionId)$/i;
const plain = new Set([ts.SyntaxKind.NullKeyword, ts.SyntaxKind.StringLiteral, ts.SyntaxKind.NumericLiteral, ts.SyntaxKind.NoSubstitutionTemplateLiteral, ts.SyntaxKind.TrueKeyword, ts.SyntaxKind.FalseKeyword]);
const equalities = new Set([ts.SyntaxKind.EqualsEqualsEqualsToken, ts.SyntaxKind.ExclamationEqualsEqualsToken, ts.SyntaxKind.EqualsEqualsToken, ts.SyntaxKind.ExclamationEqualsToken]);
const comparers = new Set(['equals', 'compare', 'localeCompare', 'startsWith', 'isDeepStrictEqual']);

/** The last word of what an expression names: `row.secret_mac` is a `secret_mac`, `macOf(x)` a `macOf`. */
function nameOf(node: ts.Expression): string {
  if (ts.isParenthesizedExpression(node) || ts.isAwaitExpression(node) || ts.isNonNullExpression(node) || ts.isAsExpression(node)) return nameOf(node.expression);
  if (ts.isPropertyAccessExpression(node)) return node.name.text;
  if (ts.isElementAccessExpression(node)) return nameOf(node.expression);
  if (ts.isCallExpression(node)) return nameOf(node.expression).replace(/Of$/, '');
  return ts.isIdentifier(node) ? node.text : '';
}

const isPlain = (node: ts.Expression) => plain.has(node.kind) || nameOf(node) === 'undefined' || ts.isTypeOfExpression(node);

/** Comparisons that end at the first difference, and so tell by their time how much of a secret was right. */
function hastyIn(text: string): string[] {
  const source = ts.createSourceFile('x.ts', text, ts.ScriptTarget.Latest, true);
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isBinaryExpression(node) && equalities.has(node.operatorToken.kind) && !isPlain(node.left) && !isPlain(node.right) && [node.left, node.right].some((side) => guarded.test(nameOf(side)))) found.push(node.getText());
    if (ts.isCallExpression(node) && ts.isPropertyAccessExpression(node.expression) && comparers.has(node.expression.name.text)
      && !node.arguments.some(isPlain) && [node.expression.expression, ...node.arguments].some((side) => guarded.test(nameOf(side)))) found.push(node.getText());
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

/** Compared in haste on purpose: what each is, so that it does no harm. */
const harmless: Record<string, string> = {
  'libs/tlog/src/checkpoint.ts: Buffer.compare(other.signature, signature.signature)': 'both stand in a published note',
};

function sources(): [string, string][] {
  return ['apps', 'libs'].flatMap((kind) => readdirSync(join(root, kind)).map((name) => `${kind}/${name}/src`)).filter((place) => place !== 'libs/testing/src')
    .flatMap((place) => readdirSync(join(root, place), { recursive: true, encoding: 'utf8' }).filter((name) => /(?<!\.spec|\.d)\.ts$/.test(name)).map((name): [string, string] => [`${place}/${name}`, readFileSync(join(root, place, name), 'utf8')]));
}

describe('secrets and the codes that prove them', () => {
  it('are compared in constant time wherever they are compared', () => {
    const found = sources().flatMap(([file, text]) => hastyIn(text).map((comparison) => `${file}: ${comparison}`));
    expect(found.filter((each) => !(each in harmless))).toEqual([]);
    expect(Object.keys(harmless).filter((each) => !found.includes(each))).toEqual([]);
  });

  it.each([
    'given === row.client_secret', 'if (mac !== expected) throw x;', 'row.mac.equals(await macOf(row))', 'Buffer.compare(given, signature) === 0', 'shown == wanted.csrf', 'header.startsWith(secret)', '(await keys.hmac(x)) === given',
  ])('would be caught when compared like this: %s', (text) => {
    expect(hastyIn(text)).toHaveLength(1);
  });

  it.each(['secret === undefined', 'typeof mac === \'string\'', 'secret !== \'\'', 'macEquals(row.mac, given)', 'kid === row.mac_kid', 'timingSafeEqual(secret, given)', 'secret.length === 32'])('are not compared by %s', (text) => {
    expect(hastyIn(text)).toEqual([]);
  });
});
