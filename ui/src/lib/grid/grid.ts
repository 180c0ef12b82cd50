/** Cells in rows, and the way of the keyboard through them. */

export interface Cell {
  key: string;
  /** What stands in it; `null` is n/a. */
  value: number | null;
  /** What a reader is told who hears or points at it. */
  label: string;
  href: string;
  /** The number, as short as it fits. */
  text: string;
}

export interface Row {
  key: string;
  name: string;
  cells: Cell[];
}

/** Beyond so many rows cells are small and rows stand beside each other, so that 128 nodes fit one screen. */
export const ROOMY_MAX = 12;

export type Move = "ArrowRight" | "ArrowLeft" | "ArrowDown" | "ArrowUp" | "Home" | "End";

/** Where a key leads from a cell; rows may differ in length. */
export function moved(rows: { cells: unknown[] }[], { row, cell }: { row: number; cell: number }, key: Move): { row: number; cell: number } {
  const last = (at: number) => Math.max(0, (rows[at]?.cells.length ?? 1) - 1);
  const within = (at: number, column: number) => ({ row: at, cell: Math.min(column, last(at)) });
  switch (key) {
    case "ArrowRight":
      return cell < last(row) ? { row, cell: cell + 1 } : row < rows.length - 1 ? { row: row + 1, cell: 0 } : { row, cell };
    case "ArrowLeft":
      return cell > 0 ? { row, cell: cell - 1 } : row > 0 ? { row: row - 1, cell: last(row - 1) } : { row, cell };
    case "ArrowDown":
      return within(Math.min(rows.length - 1, row + 1), cell);
    case "ArrowUp":
      return within(Math.max(0, row - 1), cell);
    case "Home":
      return { row, cell: 0 };
    case "End":
      return { row, cell: last(row) };
  }
}
