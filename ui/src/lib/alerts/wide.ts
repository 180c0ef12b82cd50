/** Whether there is room for details beside their list; below that width, which `alerts.css` has too, they take its place. */
import { MediaQuery } from "svelte/reactivity";

export const wide = new MediaQuery("(min-width: 1100px)");
