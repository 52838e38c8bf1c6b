/** The reason of a failed request to the inspector: no inspector, or the worker is gone. */
export interface Problem {
  readonly _tag: "InspectorProblem"
  readonly why: string
}

export const problem = (why: string): Problem => ({ _tag: "InspectorProblem", why })
