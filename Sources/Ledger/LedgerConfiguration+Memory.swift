// SPDX-License-Identifier: Apache-2.0

extension LedgerConfiguration {
    /// What the ledger may hold in memory besides its table of positions and what it has handed
    /// out: the frames of sinks that keep up, and buffers for frames that are read and written.
    public var memoryByteLimit: Int {
        LedgerConfiguration.recentByteLimit + PayloadBuffers.countLimit * PayloadBuffers.byteLimit
    }
}
