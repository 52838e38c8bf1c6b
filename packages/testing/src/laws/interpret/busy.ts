/**
 * Busy sections: synchronous code that does not look at its token.
 *
 * In a world that preempts, the platform really ends a section, after a millisecond of real time, and then the virtual time
 * moves to the end of the limit. A section that ends by itself within the limit takes no real time. So a run is the same
 * each time. In other worlds the section polls its token.
 */
import * as Blocking from "@quiesce/core/Blocking"
import * as Deadline from "@quiesce/core/Deadline"
import { makeFiberSections, platformWatchdog, type Watchdog } from "@quiesce/core/internal"
import type * as StopToken from "@quiesce/core/StopToken"
import * as Effect from "effect/Effect"
import type { Work } from "../Subject.ts"
import type { Timer, World } from "../World.ts"
import type { Position } from "./position.ts"

export const busy = ({ masked: shielded, thread, world }: Position, millis: number): Work =>
  Effect.withFiber((fiber) => {
    const deadline = fiber.getRef(Deadline.Current)
    const due = deadline === Infinity ? null : deadline
    const section = new Section(world, millis, shielded)
    const work = world.subject.busy(section.run)
    return Effect.onExit(section.provide(work), () =>
      Effect.sync(() => {
        const { state } = section
        // Code that was ended records nothing.
        if (state !== "waiting")
          world.note({ _tag: "WasBusy", thread, due, shielded, how: state === "busy" ? "ended" : state })
      })
    )
  })

/** The number of checks after which a token looks at the clock. */
const stride = 64

/** The real time after which a section has outlived its limit. */
const patience = 10_000

class Section {
  state: "waiting" | "busy" | "finished" | "noticed" | "outlived" = "waiting"
  private readonly world: World
  private readonly millis: number
  private readonly shielded: boolean
  private readonly watchdog: VirtualWatchdog | undefined

  constructor(world: World, millis: number, shielded: boolean) {
    this.world = world
    this.millis = millis
    this.shielded = shielded
    const platform = world.preempts ? platformWatchdog() : undefined
    this.watchdog = platform === undefined ? undefined : new VirtualWatchdog(platform, world.clock, millis)
  }

  provide(work: Work): Work {
    const { watchdog } = this
    if (watchdog === undefined) return work
    return Effect.provideService(
      work,
      Blocking.CurrentRunner,
      makeFiberSections(() => watchdog)
    )
  }

  readonly run = (token: StopToken.StopToken): void => {
    this.state = "busy"
    const { clock } = this.world
    try {
      if (this.watchdog?.isRunning === true) return this.untilEnded()
      if (this.watchdog === undefined && !this.shielded) this.poll(token)
      else clock.pass(this.millis)
      this.state = "finished"
    } catch (error) {
      this.state = "noticed"
      throw error
    }
  }

  private poll(token: StopToken.StopToken): void {
    for (let passed = 0; ; passed++) {
      for (let check = 0; check < stride; check++) token.check()
      if (passed >= this.millis) return
      this.world.clock.pass(1)
    }
  }

  private untilEnded(): void {
    const until = performance.now() + patience
    // The engine can't inline the function, and so looks at the watchdog at each call.
    while (performance.now() < until) "x".replace(/x/, () => "y")
    this.state = "outlived"
  }
}

/** Measures the time of a run. Only a section that lasts too long is limited for real. */
class VirtualWatchdog implements Watchdog {
  isRunning = false
  private readonly platform: Watchdog
  private readonly clock: Timer
  private readonly length: number

  constructor(platform: Watchdog, clock: Timer, length: number) {
    this.platform = platform
    this.clock = clock
    this.length = length
  }

  follows(): boolean {
    return true
  }

  run(code: () => void, millis: number): boolean {
    if (this.length < millis) {
      code()
      return true
    }
    this.isRunning = true
    const hasFinished = this.platform.run(code, 0)
    this.isRunning = false
    if (!hasFinished) this.clock.pass(millis)
    return hasFinished
  }
}
