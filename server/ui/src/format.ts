// Figures for people. They are rounded like those of the command line.

export function score(value: number | null | undefined): string {
  return value === null || value === undefined || Number.isNaN(value) ? "\u2013" : value.toFixed(3);
}

export function signed(value: number): string {
  return (value >= 0 ? "+" : "") + value.toFixed(3);
}

export function count(value: number | null | undefined): string {
  if (value === null || value === undefined) return "\u2013";
  return String(value).replace(/\B(?=(\d{3})+(?!\d))/g, "\u202f");
}

export function dollars(value: number | null | undefined): string {
  if (value === undefined) return "\u2013";
  if (value === null) return "unknown";
  return value === 0 || value >= 1 ? `$${value.toFixed(2)}` : `$${value.toFixed(4)}`;
}

/** What calls cost, where `unpriced` of them have no known price. */
export function cost(known: number, unpriced: number): string {
  if (unpriced === 0) return dollars(known);
  return known === 0 ? "unknown" : `at least ${dollars(known)}`;
}

export function duration(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined) return "\u2013";
  if (seconds === 0) return "0 s";
  if (seconds < 10) return `${seconds.toFixed(seconds < 1 ? 3 : 1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

export function time(text: string | null): string {
  return text === null ? "\u2013" : `${text.slice(0, 10)} ${text.slice(11, 19)} UTC`;
}

export function words(name: string): string {
  return name.replace(/_/g, " ");
}
