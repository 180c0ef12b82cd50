/** The state of a page in its address: each page reads its own parameters and leaves those of the others alone. */

import { hashOf, parameters, routeOf } from "../range.svelte";

/** Longer ones are no names. */
const VALUE_LENGTH_MAX = 512;

/** A parameter, if it has a sensible length. */
export function textOf(hash: string, name: string, most = VALUE_LENGTH_MAX): string | null {
  const found = parameters(hash).get(name);
  return found && found.length <= most ? found : null;
}

/** A parameter that is one of some words. */
export function choiceOf<T extends string>(hash: string, name: string, choices: readonly T[], usual: T): T {
  const found = parameters(hash).get(name);
  return choices.find((choice) => choice === found) ?? usual;
}

/** The address with some parameters changed; `null` takes one away. What else it says stays as it is. */
export function changed(hash: string, changes: Record<string, string | null>): string {
  const asked = parameters(hash);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === "") asked.delete(name);
    else asked.set(name, value);
  }
  return hashOf(routeOf(hash), asked);
}
