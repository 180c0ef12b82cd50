/** The state of a page in its address: each page reads its own parameters and leaves those of the others alone. */

/** Longer ones are no names. */
const VALUE_LENGTH_MAX = 512;

export function parametersOf(hash: string): URLSearchParams {
  const at = hash.indexOf("?");
  return new URLSearchParams(at < 0 ? "" : hash.slice(at + 1));
}

/** A parameter, if it has a sensible length. */
export function textOf(hash: string, name: string): string | null {
  const found = parametersOf(hash).get(name);
  return found && found.length <= VALUE_LENGTH_MAX ? found : null;
}

/** A parameter that is one of some words. */
export function choiceOf<T extends string>(hash: string, name: string, choices: readonly T[], usual: T): T {
  const found = parametersOf(hash).get(name);
  return choices.find((choice) => choice === found) ?? usual;
}

/** The address with some parameters changed; `null` takes one away. What else it says stays as it is. */
export function changed(hash: string, changes: Record<string, string | null>): string {
  const parameters = parametersOf(hash);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === "") parameters.delete(name);
    else parameters.set(name, value);
  }
  const path = hash.replace(/^#?/, "#").split("?")[0];
  const text = parameters.toString();
  return text === "" ? (path ?? "#/") : `${path}?${text}`;
}
