/** The numbers of a pool that its callers see. */
export interface Status {
  readonly workers: number
  readonly retiring: number
  readonly missing: number
  readonly running: number
  readonly queued: number
  readonly min: number
  readonly max: number
}
