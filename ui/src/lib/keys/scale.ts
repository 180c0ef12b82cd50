/** A linear axis from zero with round marks. */
const PARTS = 3;

export function axisOf(most: number): { top: number; marks: number[] } {
  if (!(most > 0)) return { top: 1, marks: [0] };
  const rough = most / PARTS;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= rough) ?? rough;
  const count = Math.ceil(most / step - 1e-9);
  return { top: count * step, marks: Array.from({ length: count + 1 }, (_, index) => index * step) };
}
