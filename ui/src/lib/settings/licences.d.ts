declare module "virtual:licences" {
  /** The libraries in the page and in the program, as they were when the page was built. */
  export const libraries: import("./config").Library[];
}
