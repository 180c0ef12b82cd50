/** The texts of the field for a filter, which several pages have. */
import { translator } from "../prefs.svelte";

export const filterTexts = {
  filter: { en: "Filter", zh: "筛选" },
  filter_clear: { en: "Clear the filter", zh: "清除筛选" },
  filter_before: { en: "What follows is what was found before.", zh: "以下仍为之前的结果。" },
  search: { en: "Search", zh: "搜索" },
  proposals: { en: "Proposals", zh: "补全建议" },
} as const;

/** One of these texts in the reader's language. */
export const f = translator(filterTexts);
