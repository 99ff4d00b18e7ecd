// The cost of a call, from the app's Server-Timing header.

function described(header, name, unit) {
  const found = header.match(new RegExp(`(?:^|,)\\s*${name};desc="(\\d+) ${unit}"`));
  return found && Number(found[1]);
}

function counted(number, one, many) {
  return `${number} ${number === 1 ? one : many}`;
}

/** A sentence about the cost of `response`; null if the header is missing. */
export function cost(response) {
  const header = response.headers.get("Server-Timing") ?? "";
  const bytes = described(header, "cookies", "bytes");
  const commands = described(header, "store", "commands");
  const verified = header.match(/(?:^|,)\s*verify;dur=([\d.]+)/);
  if (bytes === null || commands === null || !verified) return null;
  return [
    `${counted(bytes, "byte", "bytes")} of cookies`,
    counted(commands, "store command", "store commands"),
    `${Number(verified[1]).toFixed(2)} ms to verify cookies`,
  ].join(" · ");
}
