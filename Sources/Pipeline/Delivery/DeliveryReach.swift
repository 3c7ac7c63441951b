// SPDX-License-Identifier: Apache-2.0
import Ledger

/// Which frames of the ledger a delivery loop has had in its hands. A pure value.
///
/// When a frame turns out to be damaged, a loop may have read it long before, from memory, and have
/// delivered it; another one passed over it. Only the latter has lost its events.
struct DeliveryReach: Sendable, Equatable {
    private struct Gap: Equatable {
        let start: LedgerPlace
        let end: LedgerPlace
    }

    /// The most ranges that are remembered; damage is reported soon after it was passed over.
    static let gapLimit = 256

    private var next: LedgerPlace
    private var gaps: [Gap] = []

    /// Nothing was read yet; reading begins here.
    init(from place: LedgerPlace) {
        next = DeliveryReach.frame(place)
    }

    /// A frame was read.
    ///
    /// - Parameters:
    ///   - place: where it lies.
    ///   - asked: where reading was to go on.
    ///   - end: where reading goes on behind it.
    mutating func read(_ place: LedgerPlace, asked: LedgerPlace, end: LedgerPlace) {
        let (start, found) = (DeliveryReach.frame(asked), DeliveryReach.frame(place))
        if start < found {
            if gaps.count == DeliveryReach.gapLimit { gaps.removeFirst() }
            gaps.append(Gap(start: start, end: found))
        }
        next = DeliveryReach.frame(end)
    }

    /// True when the frame at this place was not read, and cannot be any more or is still to come.
    func lacks(_ place: LedgerPlace) -> Bool {
        let place = DeliveryReach.frame(place)
        return place >= next || gaps.contains { $0.start <= place && place < $0.end }
    }

    private static func frame(_ place: LedgerPlace) -> LedgerPlace { place.at(index: 0) }
}
