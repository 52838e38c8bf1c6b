/** The module whose function a worker of plain functions is asked for first. The worker loads the module at its start. */
export const earlyKey = "~@quiesce/worker-threads/early"

export const earlyOf = (data: unknown): string | undefined =>
  typeof data === "object" && data !== null && earlyKey in data && typeof data[earlyKey] === "string"
    ? data[earlyKey]
    : undefined
