/** Why the inspector can't do what it was asked: it is not there, or the worker is gone. */
export interface Problem {
  readonly _tag: "InspectorProblem"
  readonly why: string
}

export const problem = (why: string): Problem => ({ _tag: "InspectorProblem", why })
