/** Sorting of tables whose values may be absent. */
import { byName } from "../cluster/best";

export type Value = number | string | null;

export interface Sort {
  by: string;
  isDescending: boolean;
}

/** In the order of a column; what is absent comes last either way: it is neither large nor small. */
export function sorted<Row>(rows: Row[], valueOf: (row: Row) => Value, isDescending: boolean): Row[] {
  const direction = isDescending ? -1 : 1;
  return rows
    .map((row) => ({ row, value: valueOf(row) }))
    .sort((a, b) => {
      if (a.value === null || b.value === null) return Number(a.value === null) - Number(b.value === null);
      if (typeof a.value === "number" && typeof b.value === "number") return direction * (a.value - b.value);
      return direction * byName(String(a.value), String(b.value));
    })
    .map(({ row }) => row);
}

/** As the address writes it. */
export const sortText = ({ by, isDescending }: Sort): string => (isDescending ? `-${by}` : by);

/** Reads what `sortText` wrote, if it is one of `columns`. */
export function sortOf(text: string | null, columns: readonly string[], usual: Sort): Sort {
  const by = columns.find((column) => column === text?.replace(/^-/, ""));
  return by ? { by, isDescending: text?.startsWith("-") ?? false } : usual;
}

/** The order after a click on a column's head. */
export function toggled(sort: Sort, by: string, isNumber: boolean): Sort {
  return sort.by === by ? { by, isDescending: !sort.isDescending } : { by, isDescending: isNumber };
}
