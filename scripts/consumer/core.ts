// The size of this program without Effect is the size of core.
import * as Core from "@quiesce/core"

console.log(Core)
