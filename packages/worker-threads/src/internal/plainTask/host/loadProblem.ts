/** The problem of a module that has no function to call. */
import * as WorkerError from "../../../WorkerError.ts"
import type { BadModule } from "../contract.ts"
import { isThrown, rethrown } from "../thrown.ts"

/** A class, because a function may throw an object of any shape. */
export class LoadProblem {
  private readonly problem: string
  /** The error that the loading has thrown. */
  private readonly cause: { readonly error: unknown } | undefined

  private constructor(problem: string, cause: { readonly error: unknown } | undefined) {
    this.problem = problem
    this.cause = cause
  }

  /** The worker's word for it. A cause that is no thrown error is left out. */
  static from({ cause, problem }: BadModule): LoadProblem {
    return new LoadProblem(problem, isThrown(cause) ? { error: rethrown(cause) } : undefined)
  }

  /** The error of the calls of the module at `url`. */
  of(url: string): WorkerError.WorkerError {
    if (this.cause === undefined) return WorkerError.make({ _tag: "BadTaskModule", url, problem: this.problem })
    if (isMissing(url, this.problem)) {
      return WorkerError.make({ _tag: "BadTaskModule", url, problem: this.problem }, this.cause.error)
    }
    const problem = `its loading failed: ${this.problem}`
    return WorkerError.make({ _tag: "BadTaskModule", url, problem, remedy }, this.cause.error)
  }
}

const remedy =
  "The error was thrown by the module, by one of its imports or by the loader of Node. It is the cause of this one."

/** Whether Node has found no file at the URL itself. */
const isMissing = (url: string, problem: string): boolean =>
  problem.startsWith(`Cannot find module '${URL.canParse(url) ? decodeURI(new URL(url).pathname) : url}'`)
