// The exported names of each layer as TypeScript sees them: how a name is called, its docstring, its members. Texts only; what they become is pages.ts.
import { readFileSync } from "node:fs";
import { relative } from "node:path";
import ts from "typescript-5";

/** A method, a getter or a field that a user of a class may touch. */
export interface Member {
  /** As it is written: `read`, `[Symbol.dispose]`. */
  readonly name: string;
  readonly kind: "method" | "field";
  readonly text: string;
  readonly doc: Doc;
  readonly takes?: string;
}

/** A docstring: what it says, what it says of errors, and of single parameters. */
export interface Doc {
  readonly text: string;
  readonly errors: string;
  readonly params: readonly { readonly name: string; readonly text: string }[];
}

/** One exported name. */
export interface Exported {
  readonly name: string;
  readonly kind: "function" | "class" | "constant" | "type";
  /** The file that declares it. */
  readonly file: string;
  readonly doc: Doc;
  /** How it is called, or made, or what it is: one line each. */
  readonly signatures: readonly string[];
  /** The line of `takes` at the head of the function, where it is a literal. */
  readonly takes?: string;
  readonly members: readonly Member[];
  /** The class that this one extends. */
  readonly parent?: string;
}

/** The layers that package.json exports, in its order. */
export const layers: readonly string[] = Object.keys(
  (JSON.parse(readFileSync("package.json", "utf8")) as { exports: Record<string, unknown> }).exports,
)
  .filter((entry) => /^\.\/\w+$/.test(entry))
  .map((entry) => entry.slice(2));

/** By layer, in the order of their declarations. */
export interface Declarations {
  readonly names: Readonly<Record<string, readonly Exported[]>>;
  /** Types that no layer exports and that declarations of exported names mention. */
  readonly mentioned: Readonly<Record<string, readonly Exported[]>>;
}

/** Reads the exported names of every layer. Takes some seconds. */
export function declarations(): Declarations {
  const { config } = ts.readConfigFile("tsconfig.json", ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(config, { ...ts.sys, readDirectory: () => [] }, ".");
  const indices = layers.map((layer) => `${layer}/index.ts`);
  const program = ts.createProgram(["engine/globals.d.ts", "test/wgsl-reflect.d.ts", ...indices], options);
  const reader = new Reader(program.getTypeChecker());
  const symbols = layers.map((_, i) => reader.symbolsOf(program.getSourceFile(indices[i])!));
  const known = new Set(symbols.flatMap((all) => all.map(({ symbol }) => symbol)));
  const by = (of: (all: Named[]) => Named[]) =>
    Object.fromEntries(layers.map((layer, i) => [layer, reader.readAll(of(symbols[i]))]));
  return { names: by((all) => all), mentioned: by((all) => reader.mentionedBy(all, known)) };
}

/** A symbol under the name that it is exported by. */
interface Named {
  readonly name: string;
  readonly symbol: ts.Symbol;
}

const printing = ts.TypeFormatFlags.NoTruncation | ts.TypeFormatFlags.UseAliasDefinedOutsideCurrentScope;

/** Declared or written text on one line. */
const oneLine = (text: string) =>
  text
    .replace(/\/\*\*[\s\S]*?\*\//g, "")
    .replace(/\s+/g, " ")
    .replace(/([({[]) (?=[\w[{(])/g, (_, open) => (open === "{" ? "{ " : open))
    .replace(/,? \)/g, ")")
    .trim();

class Reader {
  constructor(private readonly checker: ts.TypeChecker) {}

  symbolsOf(index: ts.SourceFile): Named[] {
    const symbols = this.checker.getExportsOfModule(this.checker.getSymbolAtLocation(index)!);
    return symbols.map((symbol) => ({ name: symbol.name, symbol: this.target(symbol) }));
  }

  readAll(all: readonly Named[]): Exported[] {
    return all
      .map(({ name, symbol }) => this.read(name, symbol))
      .sort((a, b) => (a.file === b.file ? a.at - b.at : a.file < b.file ? -1 : 1))
      .map(({ at, ...rest }) => rest);
  }

  /** Interfaces and type aliases of ours beyond those known that the declarations of these mention, however far. */
  mentionedBy(all: readonly Named[], known: ReadonlySet<ts.Symbol>): Named[] {
    const found = new Set<ts.Symbol>();
    const visit = (node: ts.Node): void => {
      if (ts.isBlock(node)) return; // what a function does inside
      if (ts.isTypeReferenceNode(node) || ts.isExpressionWithTypeArguments(node)) {
        const name = ts.isTypeReferenceNode(node) ? node.typeName : node.expression;
        const symbol = this.checker.getSymbolAtLocation(name);
        if (symbol) add(this.target(symbol));
      }
      ts.forEachChild(node, visit);
    };
    const add = (symbol: ts.Symbol): void => {
      const node = symbol.declarations?.[0];
      const isType = node && (ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node));
      if (
        !isType ||
        found.has(symbol) ||
        known.has(symbol) ||
        /node_modules|\.d\.ts$/.test(node.getSourceFile().fileName)
      )
        return;
      found.add(symbol);
      visit(node);
    };
    for (const { symbol } of all) for (const node of symbol.declarations ?? []) visit(node);
    return [...found].map((symbol) => ({ name: symbol.name, symbol }));
  }

  private target(symbol: ts.Symbol): ts.Symbol {
    return symbol.flags & ts.SymbolFlags.Alias ? this.checker.getAliasedSymbol(symbol) : symbol;
  }

  private read(name: string, symbol: ts.Symbol): Exported & { at: number } {
    const node = symbol.valueDeclaration ?? symbol.declarations![0];
    const file = relative(process.cwd(), node.getSourceFile().fileName).replaceAll("\\", "/");
    const common = { name, file, at: node.getStart(), doc: this.docOf(symbol), members: [] };
    if (ts.isClassDeclaration(node)) return { ...common, kind: "class", ...this.classOf(name, node) };
    if (!(symbol.flags & ts.SymbolFlags.Value))
      return { ...common, kind: "type", signatures: [this.typeText(symbol, node)] };
    const type = this.checker.getTypeOfSymbolAtLocation(symbol, node);
    const calls = type.getCallSignatures();
    const members = this.functionsIn(name, node);
    if (members.length > 0) return { ...common, kind: "constant", signatures: [], members };
    if (calls.length === 0) return { ...common, kind: "constant", signatures: [`${name}: ${this.print(type)}`] };
    const functions = (symbol.declarations ?? []).filter(ts.isFunctionDeclaration);
    const shown = functions.length > 1 ? functions.filter(({ body }) => !body) : functions;
    const signatures = shown.length
      ? shown.map((each) => this.callText(name, each))
      : calls.map((call) => `${name}${this.checker.signatureToString(call, undefined, printing)}`);
    return { ...common, kind: "function", signatures, takes: takesOf(functions.at(-1)?.body) };
  }

  // ---- functions -------------------------------------------------------------------------------------------------

  private callText(name: string, node: ts.FunctionLikeDeclaration): string {
    const generics = node.typeParameters ? `<${node.typeParameters.map((each) => each.getText()).join(", ")}>` : "";
    const parameters = node.parameters.map((each) => this.parameterText(each)).join(", ");
    const returns = ts.isConstructorDeclaration(node) ? "" : `: ${this.returnText(node)}`;
    return oneLine(`${name}${generics}(${parameters})${returns}`);
  }

  private returnText(node: ts.FunctionLikeDeclaration): string {
    if (node.type) return node.type.getText();
    return this.print(this.checker.getSignatureFromDeclaration(node)!.getReturnType());
  }

  /** `axis = -1` as it is written; options that are taken apart, as options. */
  private parameterText(node: ts.ParameterDeclaration): string {
    const isTakenApart = ts.isObjectBindingPattern(node.name) || ts.isArrayBindingPattern(node.name);
    const name = isTakenApart ? "options" : node.name.getText();
    const rest = node.dotDotDotToken ? "..." : "";
    if (node.initializer && !isTakenApart && /^[-\w."]+$/.test(node.initializer.getText()))
      return `${name}${node.type ? `: ${node.type.getText()}` : ""} = ${node.initializer.getText()}`;
    const isOptional = node.questionToken || node.initializer ? "?" : "";
    const type = node.type ? node.type.getText() : this.print(this.checker.getTypeAtLocation(node));
    return `${rest}${name}${isOptional}: ${type}`;
  }

  // ---- classes ---------------------------------------------------------------------------------------------------

  private classOf(
    name: string,
    node: ts.ClassDeclaration,
  ): Pick<Exported, "signatures" | "members" | "parent" | "takes"> {
    const made = node.members.filter(ts.isConstructorDeclaration).filter(isPublic);
    const isOpened = node.members.some((each) => ts.isConstructorDeclaration(each) && !isPublic(each));
    const parent = node.heritageClauses?.find(({ token }) => token === ts.SyntaxKind.ExtendsKeyword)?.types[0];
    const own = made.map((each) => this.callText(`new ${name}`, each));
    return {
      signatures: own.length ? own : isOpened || parent ? [] : [`new ${name}()`],
      takes: takesOf(made.at(-1)?.body),
      members: node.members.flatMap((each) => this.memberOf(name, each)),
      parent: parent?.expression.getText(),
    };
  }

  private memberOf(owner: string, node: ts.ClassElement): Member[] {
    if (ts.isConstructorDeclaration(node)) return node.parameters.flatMap((each) => this.fieldOfParameter(each));
    const symbol = node.name && this.checker.getSymbolAtLocation(node.name);
    if (!symbol || !isPublic(node) || isHidden(node)) return [];
    const isStatic = ts.getCombinedModifierFlags(node) & ts.ModifierFlags.Static;
    const name = `${isStatic ? `${owner}.` : ""}${node.name!.getText()}`;
    const common = { name: node.name!.getText(), doc: this.docOf(symbol) };
    if (ts.isMethodDeclaration(node)) {
      const isOverloaded = (symbol.declarations?.length ?? 1) > 1;
      if (isOverloaded && node.body) return [];
      const mark = node.asteriskToken ? "*" : "";
      return [{ ...common, kind: "method", text: this.callText(mark + name, node), takes: takesOf(node.body) }];
    }
    if (ts.isSetAccessor(node)) return [];
    const declared = (ts.isPropertyDeclaration(node) || ts.isGetAccessor(node)) && node.type?.getText();
    const type = declared || this.print(this.checker.getTypeOfSymbol(symbol));
    return [{ ...common, kind: "field", text: oneLine(`${name}: ${type}`) }];
  }

  /** The functions of a constant that is an object of them, and of no type that has a name. */
  private functionsIn(owner: string, node: ts.Declaration): Member[] {
    let value = ts.isVariableDeclaration(node) && !node.type ? node.initializer : undefined;
    while (value && (ts.isAsExpression(value) || ts.isSatisfiesExpression(value))) value = value.expression;
    if (!value || !ts.isObjectLiteralExpression(value)) return [];
    return value.properties.filter(ts.isMethodDeclaration).map((each) => {
      const name = each.name.getText();
      const doc = this.docOf(this.checker.getSymbolAtLocation(each.name)!);
      return { name, kind: "method", doc, text: this.callText(`${owner}.${name}`, each), takes: takesOf(each.body) };
    });
  }

  /** `constructor(readonly config: Vision)` declares a field. */
  private fieldOfParameter(node: ts.ParameterDeclaration): Member[] {
    const isField = ts.isParameterPropertyDeclaration(node, node.parent) && isPublic(node);
    const symbol = this.checker.getSymbolAtLocation(node.name);
    if (!isField || !symbol || isHidden(node)) return [];
    const type = node.type?.getText() ?? this.print(this.checker.getTypeAtLocation(node));
    const name = node.name.getText();
    return [{ name, kind: "field", text: oneLine(`${name}: ${type}`), doc: this.docOf(symbol) }];
  }

  // ---- types and words -------------------------------------------------------------------------------------------

  /** As declared, comments and all; what is derived from a schema as the fields that it comes to. */
  private typeText(symbol: ts.Symbol, node: ts.Declaration): string {
    const type = this.checker.getDeclaredTypeOfSymbol(symbol);
    const fields = this.checker.getPropertiesOfType(type);
    const isDerived = /\bInfer(Output|Input)\b|\w\["/.test(node.getText());
    if (!isDerived) return node.getText().replace(/^export /, "");
    if (type.isUnion() || fields.length === 0) return `type ${symbol.name} = ${this.expanded(type)};`;
    return `interface ${symbol.name} {\n${fields.map((field) => this.fieldText(field)).join("")}}`;
  }

  private fieldText(field: ts.Symbol): string {
    const { text } = this.docOf(field);
    const isOptional = field.flags & ts.SymbolFlags.Optional ? "?" : "";
    const type = this.print(this.checker.getTypeOfSymbol(field));
    return `${text ? `  /** ${text} */\n` : ""}  ${field.name}${isOptional}: ${type};\n`;
  }

  private expanded(type: ts.Type): string {
    return this.checker.typeToString(type, undefined, printing | ts.TypeFormatFlags.InTypeAlias);
  }

  private print(type: ts.Type): string {
    return this.checker.typeToString(type, undefined, printing);
  }

  private docOf(symbol: ts.Symbol): Doc {
    const whole = words(ts.displayPartsToString(symbol.getDocumentationComment(this.checker)));
    const at = whole.search(/(^|\s)Errors: /);
    const tags = symbol.getJsDocTags(this.checker);
    const params = tags.filter(({ name }) => name === "param").map(({ text }) => words(ts.displayPartsToString(text)));
    return {
      text: at < 0 ? whole : whole.slice(0, at).trim(),
      errors: at < 0 ? "" : whole.slice(at).trim().replace("Errors: ", ""),
      params: params.map((text) => ({ name: text.split(" ")[0], text: text.slice(text.indexOf(" ") + 1) })),
    };
  }
}

/** Lines of a paragraph joined; lines that are indented are code, and list items stay on lines of their own. */
function words(text: string): string {
  const paragraphs = text.split(/\n\s*\n/).map((part) => {
    const lines = part.split("\n");
    if (lines.every((line) => /^ {4}/.test(line)))
      return `\`\`\`ts\n${lines.map((line) => line.slice(4)).join("\n")}\n\`\`\``;
    return part.replace(/\n(?!\s*[-*] )/g, " ");
  });
  return paragraphs.join("\n\n").trim();
}

function isPublic(node: ts.Declaration): boolean {
  const flags = ts.getCombinedModifierFlags(node);
  return !(flags & (ts.ModifierFlags.Private | ts.ModifierFlags.Protected));
}

/** `#name`, what is marked @internal, and how Node prints an object. */
function isHidden(node: ts.Declaration & { readonly name?: ts.Node }): boolean {
  const isInternal = ts.getJSDocTags(node).some(({ tagName }) => tagName.text === "internal");
  return (
    isInternal ||
    (node.name !== undefined && (ts.isPrivateIdentifier(node.name) || /inspect/.test(node.name.getText())))
  );
}

/** The text of `takes("…", arguments)` at the head of a function. */
function takesOf(body: ts.Node | undefined): string | undefined {
  let found: string | undefined;
  const visit = (node: ts.Node): void => {
    if (found !== undefined || ts.isFunctionLike(node)) return;
    if (ts.isCallExpression(node) && node.expression.getText() === "takes" && ts.isStringLiteralLike(node.arguments[0]))
      found = node.arguments[0].text;
    else ts.forEachChild(node, visit);
  };
  if (body) ts.forEachChild(body, visit);
  return found;
}
