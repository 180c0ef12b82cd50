/**
 * The editor of queries: CodeMirror with Prometheus' own PromQL mode. Loaded when it is needed.
 *
 * It lives in a shadow root: there CodeMirror's styles are constructed sheets, which the page's content
 * policy allows; in the document they would be `<style>` elements, which it does not.
 */
import { acceptCompletion, autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap, completionStatus, selectedCompletion } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { bracketMatching, HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import { Compartment, EditorState, Prec, StateEffect, StateField, type Extension } from "@codemirror/state";
import { Decoration, EditorView, keymap, placeholder, type DecorationSet } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { PromQLExtension } from "@prometheus-io/codemirror-promql";
import { Identifier, parser, VectorSelector } from "@prometheus-io/lezer-promql";
import type { Place } from "../failure";
import { Completions } from "./completions";
import { offsetOf } from "./draw";

export interface Wording {
  label: string;
  placeholder: string;
  completions: string;
  diagnostics: string;
}

export interface Handlers {
  changed: (text: string) => void;
  run: () => void;
  focused: () => void;
}

/** Colours come from the document's custom properties, so that both themes are followed at once. */
const COLOURS = HighlightStyle.define([
  { tag: tags.keyword, color: "var(--code-keyword)" },
  { tag: tags.modifier, color: "var(--code-keyword)" },
  { tag: tags.operator, color: "var(--code-operator)" },
  { tag: tags.operatorKeyword, color: "var(--code-keyword)" },
  { tag: tags.logicOperator, color: "var(--code-operator)" },
  { tag: tags.function(tags.variableName), color: "var(--code-function)" },
  { tag: tags.standard(tags.variableName), color: "var(--code-function)" },
  { tag: tags.labelName, color: "var(--code-label)" },
  { tag: tags.string, color: "var(--code-string)" },
  { tag: tags.number, color: "var(--code-number)" },
  { tag: tags.comment, color: "var(--muted)", fontStyle: "italic" },
]);

const THEME = EditorView.theme({
  "&": { backgroundColor: "transparent", color: "var(--text)", fontSize: "13px" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "20px", maxHeight: "206px", overflow: "auto" },
  ".cm-content": { padding: "6px 0", caretColor: "var(--text)" },
  ".cm-line": { padding: "0 10px" },
  ".cm-placeholder": { color: "var(--muted)" },
  ".cm-matchingBracket, &.cm-focused .cm-matchingBracket": { backgroundColor: "var(--grid)", outline: "1px solid var(--border)" },
  ".cm-wrong": { textDecoration: "underline wavy var(--crit)", textUnderlineOffset: "3px" },
  ".cm-lintRange-error": { backgroundImage: "none", textDecoration: "underline dotted var(--warn)", textUnderlineOffset: "3px" },
  ".cm-tooltip": { backgroundColor: "var(--card)", color: "var(--text)", border: "1px solid var(--border)", borderRadius: "6px", boxShadow: "0 6px 20px #00000033" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul": { fontFamily: "var(--mono)", fontSize: "12.5px", maxHeight: "260px", maxWidth: "min(640px, 90vw)" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul > li": { padding: "3px 10px", lineHeight: "18px" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul > li[aria-selected]": { backgroundColor: "var(--accent)", color: "var(--card)" },
  "li[aria-selected] .cm-completionDetail": { color: "var(--card)" },
  ".cm-completionDetail": { color: "var(--muted)", fontStyle: "normal", fontSize: "11px", marginLeft: "12px" },
  ".cm-completionMatchedText": { textDecoration: "none", fontWeight: "700" },
  ".cm-tooltip.cm-completionInfo": { padding: "6px 10px", font: "12px/1.45 system-ui, sans-serif", maxWidth: "320px" },
  ".cm-diagnostic": { padding: "5px 10px", font: "12px/1.45 system-ui, sans-serif", borderLeftColor: "var(--warn)" },
});

const setWrong = StateEffect.define<number | null>();

/** Marks what the server did not understand, until the text changes. */
const wrong = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update(marks, transaction) {
    for (const effect of transaction.effects) {
      if (!effect.is(setWrong)) continue;
      if (effect.value === null || transaction.newDoc.length === 0) return Decoration.none;
      const { from, to } = wordAt(transaction.newDoc.toString(), effect.value);
      return Decoration.set(Decoration.mark({ class: "cm-wrong" }).range(from, to));
    }
    return transaction.docChanged ? Decoration.none : marks;
  },
  provide: (field) => EditorView.decorations.from(field),
});

/** The word that begins at an offset; at the end of the text its last letter. */
function wordAt(text: string, offset: number): { from: number; to: number } {
  const from = Math.min(offset, text.length - 1);
  const word = /^[\w:]+|^"[^"]*"?|^./su.exec(text.slice(from))?.[0] ?? "";
  return { from, to: Math.max(from + 1, from + word.length) };
}

/** Names of metrics that a query selects. */
export function selectedNames(query: string): string[] {
  const names = new Set<string>();
  parser.parse(query).iterate({
    enter: ({ node }) => {
      const name = node.type.id === VectorSelector ? node.getChild(Identifier) : null;
      if (name) names.add(query.slice(name.from, name.to));
    },
  });
  return [...names];
}

/** Enter takes the proposal, unless it is a name that was typed out already: then it runs the query. */
function enter(view: EditorView, run: () => void): boolean {
  const proposed = completionStatus(view.state) === "active" ? selectedCompletion(view.state) : null;
  const before = view.state.sliceDoc(0, view.state.selection.main.head);
  const typed = /[\w:]*$/.exec(before)?.[0];
  if (proposed && !(proposed.type === "constant" && proposed.label === typed)) return acceptCompletion(view);
  run();
  return true;
}

export class Editor {
  private readonly view: EditorView;
  private readonly wording = new Compartment();
  private readonly promql = new PromQLExtension();

  constructor(root: ShadowRoot, text: string, wording: Wording, private readonly handlers: Handlers) {
    this.promql.setComplete({ remote: new Completions() });
    const state = EditorState.create({ doc: text, extensions: [this.keys(), this.parts(), this.wording.of(worded(wording))] });
    this.view = new EditorView({ state, root, parent: root });
  }

  get text(): string {
    return this.view.state.doc.toString();
  }

  set text(text: string) {
    if (text === this.text) return;
    const { length } = this.view.state.doc;
    this.view.dispatch({ changes: { from: 0, to: length, insert: text }, selection: { anchor: text.length } });
  }

  /** Puts text in place of what is selected. */
  insert(text: string): void {
    this.view.dispatch(this.view.state.replaceSelection(text), { scrollIntoView: true });
  }

  focus(): void {
    this.view.focus();
  }

  mark(place: Place | null): void {
    this.view.dispatch({ effects: setWrong.of(place && offsetOf(this.text, place.line, place.column)) });
  }

  say(wording: Wording): void {
    this.view.dispatch({ effects: this.wording.reconfigure(worded(wording)) });
  }

  destroy(): void {
    this.promql.destroy();
    this.view.destroy();
  }

  private keys(): Extension {
    const run = (view: EditorView) => enter(view, () => this.handlers.run());
    const runAlways = () => {
      this.handlers.run();
      return true;
    };
    const first = [
      { key: "Mod-Enter", run: runAlways },
      { key: "Ctrl-Enter", run: runAlways },
      { key: "Enter", run },
    ];
    return [
      Prec.highest(keymap.of(first)),
      keymap.of([...closeBracketsKeymap, ...completionKeymap, ...historyKeymap, ...defaultKeymap]),
    ];
  }

  private parts(): Extension {
    return [
      history(),
      bracketMatching(),
      closeBrackets(),
      // The keymap comes with ours, whose Enter has to be asked first.
      autocompletion({ icons: false, defaultKeymap: false, maxRenderedOptions: 100 }),
      syntaxHighlighting(COLOURS),
      this.promql.asExtension(),
      wrong,
      EditorView.contentAttributes.compute([wrong], (state): Record<string, string> =>
        state.field(wrong).size > 0 ? { "aria-invalid": "true" } : {},
      ),
      THEME,
      EditorView.lineWrapping,
      EditorView.updateListener.of((update) => {
        if (update.docChanged) this.handlers.changed(update.state.doc.toString());
        if (update.focusChanged && update.view.hasFocus) this.handlers.focused();
      }),
    ];
  }
}

function worded({ label, placeholder: hint, completions, diagnostics }: Wording): Extension {
  return [
    EditorView.contentAttributes.of({ "aria-label": label, spellcheck: "false", autocapitalize: "off" }),
    EditorState.phrases.of({ Completions: completions, Diagnostics: diagnostics }),
    placeholder(hint),
  ];
}
