// The size of this program without Effect is the size of all code of core for programs: the index and the other
// entries.
import * as Core from "@quiesce/core"
import * as Schemas from "@quiesce/core/Schemas"
import * as ThreadMetrics from "@quiesce/core/ThreadMetrics"
import * as Timeline from "@quiesce/core/Timeline"

console.log(Core, Schemas, ThreadMetrics, Timeline)
