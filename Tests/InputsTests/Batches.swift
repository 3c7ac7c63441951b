// SPDX-License-Identifier: Apache-2.0
import Events
import Inputs
import Platform

/// Reads batches until so many records came in all; fewer when nothing comes for too long.
func read(_ input: any Input, _ count: Int) throws -> [RecordBatch] {
    var batches: [RecordBatch] = []
    let end = SystemClock().monotonic().advanced(by: .seconds(10))
    while batches.reduce(0, { $0 + $1.records.count }) < count, SystemClock().monotonic() < end {
        if let batch = try input.next(waitingAtMost: .milliseconds(50)) { batches.append(batch) }
    }
    return batches
}

/// The records of batches as texts.
func texts(_ batches: [RecordBatch]) -> [String] {
    batches.flatMap { batch in
        batch.records.map { String(decoding: batch.bytes[$0.range], as: UTF8.self) }
    }
}
