// How long something lasts, in words. The server writes the same (sheets.rs).

/** `seconds` in the units that say most. */
export function words(seconds) {
  const days = Math.floor(seconds / 86_400);
  const hours = Math.floor(seconds / 3600) % 24;
  const minutes = Math.floor(seconds / 60) % 60;
  const rest = `${seconds % 60} s`;
  if (days > 0) return `${days} d ${hours} h ${minutes} min`;
  if (hours > 0) return `${hours} h ${minutes} min ${rest}`;
  return minutes > 0 ? `${minutes} min ${rest}` : rest;
}
