/**
 * A page for `cargo xtask bench page`: the product's own components, more of them than any page has. It is served
 * under the address of a running modelwatch, and is no part of what the binary embeds.
 */
import { mount } from "svelte";
import "uplot/dist/uPlot.min.css";
import Bench from "./Bench.svelte";
import "../src/app.css";

const target = document.getElementById("app");
if (target) mount(Bench, { target, props: { mode: new URLSearchParams(location.search).get("show") ?? "charts" } });
