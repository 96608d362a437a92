import { posix } from 'node:path';
import ts from 'typescript';

export interface Import {
  specifier: string;
  typeOnly: boolean;
  /** What is taken by name; a star when it is the whole module. */
  names: string[];
}

/** What the rules of the architecture need to know of one source file. */
export interface Source {
  /** From the root of the repository, with slashes. */
  path: string;
  imports: Import[];
  /** The constructs in it that only some files may use, or none: see `constructOf`. */
  says: string[];
}

/** Parses a file: every kind of import, and the constructs that the rules restrict. */
export function readSource(path: string, text: string): Source {
  const source: Source = { path, imports: [], says: [] };
  const visit = (node: ts.Node): void => {
    const found = importOf(node);
    if (found) source.imports.push(found);
    const said = constructOf(node);
    if (said) source.says.push(said);
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(path, text, ts.ScriptTarget.ES2022, true));
  return source;
}

function importOf(node: ts.Node): Import | undefined {
  if (ts.isImportDeclaration(node))
    return importFrom(node.moduleSpecifier, node.importClause, node.importClause?.namedBindings);
  if (ts.isExportDeclaration(node) && node.moduleSpecifier)
    return importFrom(node.moduleSpecifier, node, node.exportClause);
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument))
    return importFrom(node.argument.literal, { isTypeOnly: true });
  if (ts.isExternalModuleReference(node)) return importFrom(node.expression);
  const [target] = ts.isCallExpression(node) ? node.arguments : [];
  if (!target || !ts.isCallExpression(node)) return undefined;
  return node.expression.kind === ts.SyntaxKind.ImportKeyword || node.expression.getText() === 'require'
    ? importFrom(target)
    : undefined;
}

function importFrom(
  target: ts.Node,
  clause?: { isTypeOnly: boolean; name?: ts.Node },
  bindings?: ts.NamedImportBindings | ts.NamedExportBindings,
): Import {
  const elements =
    bindings && (ts.isNamedImports(bindings) || ts.isNamedExports(bindings)) ? [...bindings.elements] : [];
  const byName = elements.length > 0 && !clause?.name;
  return {
    specifier: ts.isStringLiteralLike(target) ? target.text : target.getText(),
    typeOnly: clause?.isTypeOnly === true || (byName && elements.every((element) => element.isTypeOnly)),
    names: byName ? elements.map((element) => (element.propertyName ?? element.name).text) : ['*'],
  };
}

function constructOf(node: ts.Node): string | undefined {
  if (ts.isExportAssignment(node) || (node.kind === ts.SyntaxKind.DefaultKeyword && ts.canHaveModifiers(node.parent)))
    return 'export default';
  if (ts.isExportDeclaration(node) && node.moduleSpecifier && !node.exportClause) return 'export *';
  if (ts.isNewExpression(node) && node.expression.getText() === 'Date' && !node.arguments?.length) return 'new Date()';
  if (ts.isPropertyAccessExpression(node)) return ['process.env', 'Date.now'].find((text) => text === node.getText());
  if (!ts.isIdentifier(node)) return undefined;
  return ['console', 'forwardRef'].find((name) => name === node.text && !ts.isImportSpecifier(node.parent));
}

/**
 * The import circles among these files, each as the files on it; also circles of type imports alone, since a reader
 * cannot understand either file first.
 */
export function circlesAmong(sources: readonly Source[]): string[] {
  const targets = new Map(sources.map(({ path, imports }) => [path, imports.map((taken) => targetOf(path, taken))]));
  const finished = new Set<string>();
  const visit = (path: string, above: readonly string[]): string[] => {
    const at = above.indexOf(path);
    if (at >= 0) return [[...above.slice(at), path].join(' -> ')];
    if (finished.has(path)) return [];
    const found = (targets.get(path) ?? []).flatMap((target) => visit(target, [...above, path]));
    finished.add(path);
    return found;
  };
  return sources.flatMap(({ path }) => visit(path, []));
}

function targetOf(path: string, { specifier }: Import): string {
  return posix.join(posix.dirname(path), specifier.replace(/\.js$/, '.ts'));
}
