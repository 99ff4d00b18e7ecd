// How long something lasts, in words. The server writes the same (sheets.rs).

/** `seconds` in the units that say most. */
export function words(seconds) {
  const days = Math.floor(seconds / 86_400);
  const hours = Math.floor(seconds / 3600) % 24;
  const minutes = Math.floor(seconds / 60) % 60;
  const rest = `${seconds % 60}\u00a0s`;
  if (days > 0) return `${days}\u00a0d ${hours}\u00a0h ${minutes}\u00a0min`;
  if (hours > 0) return `${hours}\u00a0h ${minutes}\u00a0min ${rest}`;
  return minutes > 0 ? `${minutes}\u00a0min ${rest}` : rest;
}
