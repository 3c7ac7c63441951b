// SPDX-License-Identifier: Apache-2.0
import Events
import Platform
import Testing

private let record = #"{"loggerName":"org.keycloak.events","message":"type=\"REFRESH_TOKEN\""}"#

@Test func fileKeyAgreesWithTheVector() {
    let key = FileKey(
        input: "keycloak", inode: 1_234_567, generation: 0,
        firstRecord: SHA256.digest(Array(record.utf8).span))
    #expect(key.text == "cc26d43ef4e8aa7f25b65043f7eaf53e")
}

@Test func fileKeyOfALongRecordCoversItsFirstKibibyte() {
    let first = [UInt8](repeating: UInt8(ascii: "x"), count: FileKey.firstRecordByteLimit)
    let key = FileKey(
        input: "keycloak", inode: 42, generation: 1, firstRecord: SHA256.digest(first.span))
    #expect(key.text == "dde859cc6c8c5e07573cbe3cc86f13fa")
}

@Test func idsAgreeWithTheVectors() {
    var maker = EventIDMaker(agentName: "idp1.example.com")
    var output = ByteWriter()
    let checksum = CRC32C.checksum(Array(record.utf8).span)
    #expect(checksum == 0xaaae_6d79)
    maker.append(
        source: "cc26d43ef4e8aa7f25b65043f7eaf53e", position: 0, ordinal: 0, checksum: checksum,
        to: &output)
    #expect(output.makeString() == "129b9dea35f84f1b6767e4d0f76d50b4")
    output.removeAll()
    maker.append(
        source: "idp1.example.com/main/5f1e0c2ab77d4e10", position: 2, ordinal: 0,
        checksum: CRC32C.checksum([UInt8]().span), to: &output)
    #expect(output.makeString() == "a66b9116c5a675b6df92897396b5db33")
}

@Test func everyPartOfThePlaceChangesTheID() {
    var maker = EventIDMaker(agentName: "idp1.example.com")
    func id(_ source: String, _ position: UInt64, _ ordinal: Int, _ checksum: UInt32) -> String {
        var output = ByteWriter()
        maker.append(
            source: source, position: position, ordinal: ordinal, checksum: checksum, to: &output)
        return output.makeString()
    }
    let ids: Set = [
        id("a", 0, 0, 0), id("b", 0, 0, 0), id("a", 1, 0, 0), id("a", 0, 1, 0), id("a", 0, 0, 1),
    ]
    #expect(ids.count == 5)
    #expect(id("a", 0, 0, 0) == id("a", 0, 0, 0))
}
