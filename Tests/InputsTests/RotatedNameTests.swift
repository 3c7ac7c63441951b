// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Inputs

struct RotatedNameTests {
    @Test func rotatedNamesLeadToTheNameTheyHad() {
        #expect(RotatedName.base(of: "/x/app.log.1") == "/x/app.log")
        #expect(RotatedName.base(of: "/x/app.log-20261121") == "/x/app.log")
        #expect(RotatedName.base(of: "/x/app.log") == nil)
        #expect(RotatedName.base(of: "/x/.1") == nil)
        #expect(RotatedName.root(of: "/x/app.log.2026-11-21") == "/x/app.log")
        #expect(RotatedName.root(of: "/x/app.log.1") == "/x/app.log")
        #expect(RotatedName.root(of: "/x/app.log.lock") == "/x/app.log.lock")
        #expect(RotatedName.root(of: "/x/app.log") == "/x/app.log")
    }

    @Test func aCompressedNameLeadsToTheOneBefore() {
        #expect(RotatedName.base(of: "/x/app.log.1.gz") == "/x/app.log.1")
        #expect(RotatedName.base(of: "/x/app.log.zst") == "/x/app.log")
        #expect(RotatedName.base(of: "/x/.gz") == nil)
        #expect(RotatedName.root(of: "/x/app.log.1.gz") == "/x/app.log")
        #expect(RotatedName.root(of: "/x/app.log.2026-11-21.gz") == "/x/app.log")
        #expect(RotatedName.isCompressed("/x/app.log.1.gz"))
        #expect(RotatedName.isForeign("/x/app.log.1.xz"))
        #expect(!RotatedName.isForeign("/x/app.log.1.gz"))
    }

    @Test func digitsMayStandBeforeTheExtension() {
        #expect(RotatedName.rootBeforeExtension(of: "/x/app-20261121.log") == "/x/app.log")
        #expect(RotatedName.rootBeforeExtension(of: "/x/app.1.log.gz") == "/x/app.log")
        #expect(RotatedName.rootBeforeExtension(of: "/x/app.log") == nil)
        #expect(RotatedName.rootBeforeExtension(of: "/x/.log") == nil)
        #expect(RotatedName.isRelated("/x/app-20261121.log", to: "/x/app.log"))
        #expect(RotatedName.isRelated("/x/app.log", to: "/x/app.log.3"))
        #expect(!RotatedName.isRelated("/x/apple.log", to: "/x/app.log"))
    }

    @Test func theHigherNumberIsTheOlderFile() {
        #expect(RotatedName.isOlder("/x/app.log.10", than: "/x/app.log.9"))
        #expect(RotatedName.isOlder("/x/app.log.2.gz", than: "/x/app.log.1"))
        #expect(!RotatedName.isOlder("/x/app.log.1", than: "/x/app.log.2"))
        #expect(RotatedName.isOlder("/x/app-20261120.log", than: "/x/app-20261121.log"))
        #expect(RotatedName.isOlder("/x/app.log-20261120", than: "/x/app.log-20261121"))
    }
}
