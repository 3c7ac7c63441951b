// SPDX-License-Identifier: Apache-2.0
import Events

/// Gathers the values of one event in any order and lays them down in the order of `Field`.
///
/// One row serves a whole thread; `reset` costs two stores.
struct FieldRow: Sendable {
    private var values: [FieldValue]
    private var low: UInt64 = 0
    private var high: UInt64 = 0

    init() {
        values = Field.allCases.map { FieldValue($0, .integer, payload: 0) }
    }

    @inline(__always)
    mutating func reset() {
        low = 0
        high = 0
    }

    @inline(__always)
    mutating func set(_ value: FieldValue) {
        let index = Int(value.field.rawValue)
        values[index] = value
        if index < 64 { low |= 1 << UInt64(index) } else { high |= 1 << UInt64(index - 64) }
    }

    @inline(__always)
    mutating func remove(_ field: Field) {
        let index = UInt64(field.rawValue)
        if index < 64 { low &= ~(1 << index) } else { high &= ~(1 << (index - 64)) }
    }

    @inline(__always)
    func value(_ field: Field) -> FieldValue? {
        contains(field) ? values[Int(field.rawValue)] : nil
    }

    @inline(__always)
    func contains(_ field: Field) -> Bool {
        let index = UInt64(field.rawValue)
        return index < 64 ? low >> index & 1 == 1 : high >> (index - 64) & 1 == 1
    }

    /// Appends the values in the order of `Field`.
    @inline(__always)
    func lay(into target: inout [FieldValue]) -> Range<Int> {
        let start = target.count
        var bits = low
        while bits != 0 {
            target.append(values[bits.trailingZeroBitCount])
            bits &= bits - 1
        }
        bits = high
        while bits != 0 {
            target.append(values[64 + bits.trailingZeroBitCount])
            bits &= bits - 1
        }
        return start..<target.count
    }
}
