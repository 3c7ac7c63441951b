// SPDX-License-Identifier: Apache-2.0
import Events
import Platform

/// Finds out what is so about an event, from the values in its body.
struct EventFactFinder {
    private(set) var action = Action.unclassified
    private(set) var outcome = Outcome.unknown
    private(set) var severity = Severity.info
    private(set) var facts: EventFacts = []
    // Held here and not as globals, which would be asked for at every event.
    private let words = EventWords()

    /// Reads what every model asks for; false when a word of a closed list is unknown.
    ///
    /// - Parameter hint: the action that it probably is.
    @inline(__always)
    mutating func read(
        _ fields: borrowing BodyFields, _ bytes: Span<UInt8>, hint: Action
    ) -> Bool {
        guard let range = fields.range(of: .action), let action = action(bytes, range, hint),
            let range = fields.range(of: .outcome), let outcome = outcome(bytes, range),
            let range = fields.range(of: .severity), let severity = severity(bytes, range)
        else { return false }
        self.action = action
        self.outcome = outcome
        self.severity = severity
        facts = []
        if let type = fields.range(of: .actorType), words.system.isAll(of: type, bytes) {
            facts.insert(.actorIsSystem)
        } else if EventFactFinder.pseudonym(words.actor, fields, bytes) != nil {
            facts.insert(.actorIsPseudonym)
        }
        if let type = fields.range(of: .targetType) {
            if words.user.isAll(of: type, bytes) {
                facts.insert(.targetIsUser)
            } else if words.group.isAll(of: type, bytes) {
                facts.insert(.targetIsGroup)
            } else if words.agent.isAll(of: type, bytes) {
                facts.insert(.targetIsAgent)
            }
        }
        return true
    }

    mutating func set(_ fact: EventFact, isSo: Bool) { facts.insert(fact, if: isSo) }

    private func action(_ bytes: Span<UInt8>, _ range: Range<Int>, _ hint: Action) -> Action? {
        let likely = words.actions[Int(hint.rawValue)]
        if ByteSearch.equal(bytes, range, likely.span) { return hint }
        for action in Action.allCases {
            let name = words.actions[Int(action.rawValue)]
            if ByteSearch.equal(bytes, range, name.span) { return action }
        }
        return nil
    }

    private func outcome(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Outcome? {
        for (outcome, word) in words.outcomes where word.isAll(of: range, bytes) {
            return outcome
        }
        return nil
    }

    private func severity(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Severity? {
        for (severity, word) in words.severities where word.isAll(of: range, bytes) {
            return severity
        }
        return nil
    }

    // MARK: Fingerprints

    /// The first of some values that is a fingerprint.
    static func pseudonym(
        _ sources: [Field], _ fields: borrowing BodyFields, _ bytes: Span<UInt8>
    ) -> Range<Int>? {
        for field in sources {
            if let range = fields.range(of: field), isFingerprint(bytes, range) { return range }
        }
        return nil
    }

    // `"h1:` and 22 characters of base64url, as schema 1.0 writes fingerprints.
    private static func isFingerprint(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Bool {
        guard range.count >= 27, range.count <= 40, bytes[range.lowerBound + 1] == 0x68 else {
            return false
        }
        var at = range.lowerBound + 2
        while at < range.upperBound, bytes[at] >= 0x30, bytes[at] <= 0x39 { at += 1 }
        return at > range.lowerBound + 2 && bytes[at] == UInt8(ascii: ":")
            && range.upperBound - at == 24
    }

    // MARK: What OCSF asks

    /// Reads what only models with classes ask for.
    ///
    /// False when a moment is not in the form that this agent writes.
    mutating func findMore(_ fields: borrowing BodyFields, _ bytes: Span<UInt8>) -> Bool {
        for field in words.moments {
            guard let range = fields.range(of: field) else { continue }
            guard BodyText.time(bytes, range) != nil else { return false }
        }
        let entry = action.entry
        facts.insert(.activityIsOther, if: entry.ocsfActivity == 99)
        facts.insert(.isImpersonation, if: action == .userImpersonated)
        if let method = fields.range(of: .requestMethod) {
            facts.insert(
                .methodIsKnown, if: words.methods.contains { $0.isAll(of: method, bytes) })
        }
        findAddresses(fields, bytes)
        switch entry.ocsfClass {
        case .authentication:
            findUser(fields, bytes)
            findFactors(fields, bytes)
            facts.insert(.isPlainOAuth, if: isPlainOAuth(fields, bytes))
        case .accountChange:
            findUser(fields, bytes)
            findFactors(fields, bytes)
        case .userAccess:
            findUser(fields, bytes)
            findPrivileges(fields, bytes)
        case .groupManagement: findGroup(fields)
        case .entityManagement: findEntity(fields)
        case .apiActivity: break
        }
        facts.insert(.targetIsUnplaced, if: !isTargetPlaced)
        return true
    }

    // Of a role that is the target only the name is shown, so it is not placed.
    private var isTargetPlaced: Bool {
        facts.contains(.userIsTarget) || facts.contains(.groupIsTarget)
            || facts.contains(.entityIsTarget) || facts.contains(.entityIsKind)
            || facts.contains(.resourceIsTarget)
    }

    private func isNamed(_ fields: borrowing BodyFields, _ names: Field...) -> Bool {
        names.contains { fields.range(of: $0) != nil }
    }

    private mutating func findAddresses(_ fields: borrowing BodyFields, _ bytes: Span<UInt8>) {
        let isClient = isNamed(fields, .clientID, .clientName)
        if isNamed(fields, .actorID, .actorName, .actorEmail) {
            facts.insert(.actorIsNamed)
            facts.insert(.actorIsAddress, if: !isNamed(fields, .actorID, .actorName))
        } else if isNamed(fields, .actorType) || !isClient && !isNamed(fields, .sessionID) {
            facts.insert(.actorIsUnknown)
        }
        if isNamed(fields, .targetEmail) {
            facts.insert(.targetIsAddress, if: !isNamed(fields, .targetID, .targetName))
        }
        if let email = fields.range(of: .actorEmail) {
            facts.insert(.actorEmailIsValid, if: EmailAddress.isOne(bytes.extracting(email)))
        }
        if let email = fields.range(of: .targetEmail) {
            facts.insert(.targetEmailIsValid, if: EmailAddress.isOne(bytes.extracting(email)))
        }
    }

    private func isTargetNamed(_ fields: borrowing BodyFields) -> Bool {
        isNamed(fields, .targetID, .targetName, .targetEmail)
    }

    private mutating func findUser(_ fields: borrowing BodyFields, _ bytes: Span<UInt8>) {
        // Who got or lost a role is never the one who gave or took it, unless the target says so.
        let isRole = action == .roleGranted || action == .roleRevoked
        if isTargetNamed(fields), let type = fields.range(of: .targetType),
            words.user.isAll(of: type, bytes)
                || isRole && words.holders.contains(where: { $0.isAll(of: type, bytes) })
        {
            facts.insert(.userIsTarget)
        } else if isRole || action.entry.ocsfClass != .authentication && isOperator(fields, bytes) {
            facts.insert(.userIsUnknown)
        } else if facts.contains(.actorIsNamed) {
            facts.insert(.userIsActor)
        } else {
            let isClient = isNamed(fields, .clientID, .clientName)
            facts.insert(isClient ? .userIsClient : .userIsUnknown)
        }
    }

    /// Whether the actor works on the accounts of others, so that the event is not about them.
    private func isOperator(_ fields: borrowing BodyFields, _ bytes: Span<UInt8>) -> Bool {
        guard let type = fields.range(of: .actorType) else { return false }
        return words.system.isAll(of: type, bytes) || words.admin.isAll(of: type, bytes)
    }

    private mutating func findPrivileges(_ fields: borrowing BodyFields, _ bytes: Span<UInt8>) {
        let isRole = action == .roleGranted || action == .roleRevoked
        let targetType = fields.range(of: .targetType)
        if !isRole, isNamed(fields, .scopeGranted) {
            facts.insert(.privilegesAreGranted)
        } else if !isRole, isNamed(fields, .scopeRequested) {
            facts.insert(.privilegesAreRequested)
        } else if action.entry.ocsfActivity == 1, isNamed(fields, .changeAdded) {
            facts.insert(.privilegesAreAdded)
        } else if action.entry.ocsfActivity == 2, isNamed(fields, .changeRemoved) {
            facts.insert(.privilegesAreRemoved)
        } else if let targetType, words.role.isAll(of: targetType, bytes),
            isNamed(fields, .targetID, .targetName)
        {
            facts.insert(.privilegesAreTarget)
        } else {
            facts.insert(.privilegesAreUnknown)
        }
        let isClient = isNamed(fields, .clientID, .clientName)
        if !isClient, !facts.contains(.userIsTarget), let targetType,
            words.client.isAll(of: targetType, bytes), isNamed(fields, .targetID, .targetName)
        {
            facts.insert(.resourceIsTarget)
        }
        facts.insert(.hasResource, if: isClient || facts.contains(.resourceIsTarget))
    }

    private mutating func findGroup(_ fields: borrowing BodyFields) {
        let isAdded = action == .groupMemberAdded && isNamed(fields, .changeAdded)
        let isRemoved = action == .groupMemberRemoved && isNamed(fields, .changeRemoved)
        if isTargetNamed(fields), facts.contains(.targetIsGroup) {
            facts.insert(.groupIsTarget)
            facts.insert(.memberIsAdded, if: isAdded)
            facts.insert(.memberIsRemoved, if: isRemoved)
            return
        }
        if isTargetNamed(fields), facts.contains(.targetIsUser) {
            facts.insert(.userIsTarget)
            facts.insert(.groupIsAdded, if: isAdded)
            facts.insert(.groupIsRemoved, if: isRemoved)
            if isAdded || isRemoved { return }
        }
        facts.insert(.groupIsUnknown)
    }

    private mutating func findEntity(_ fields: borrowing BodyFields) {
        if isTargetNamed(fields) {
            facts.insert(.entityIsTarget)
        } else if isNamed(fields, .clientID, .clientName) {
            facts.insert(.entityIsClient)
        } else {
            facts.insert(isNamed(fields, .targetType) ? .entityIsKind : .entityIsUnknown)
        }
    }

    private mutating func findFactors(_ fields: borrowing BodyFields, _ bytes: Span<UInt8>) {
        var kinds: UInt64 = 0
        var otherCount = 0
        var isSeveral =
            action == .mfaChallenged || action == .mfaSucceeded || action == .mfaFailed
        if let methods = fields.range(of: .authMethods) {
            DocumentValues.forEachText(bytes, methods) { method in
                isSeveral = isSeveral || OCSFWords.severalFactors.isAll(of: method, bytes)
                guard let kind = DocumentValues.factor(bytes, method) else { return }
                if let known = kind.known { kinds |= 1 << known.number } else { otherCount += 1 }
            }
        }
        let count = kinds.nonzeroBitCount + otherCount
        facts.insert(.hasFactors, if: count > 0)
        if isSeveral || count > 1 {
            facts.insert(.isMultiFactor)
        } else {
            facts.insert(.isSingleFactor, if: count == 1)
        }
    }

    /// Whether a client proved itself, or asked for scopes without that of OpenID Connect.
    private func isPlainOAuth(_ fields: borrowing BodyFields, _ bytes: Span<UInt8>) -> Bool {
        if action == .clientAuthenticationFailed { return true }
        var isAsked = false
        var isOpenID = false
        for field in words.scopes {
            guard let range = fields.range(of: field) else { continue }
            isAsked = true
            DocumentValues.forEachText(bytes, range) { scope in
                isOpenID = isOpenID || words.openID.isAll(of: scope, bytes)
            }
        }
        return isAsked && !isOpenID
    }
}

/// The words of a body that say what is so.
private struct EventWords: Sendable {
    let actions = Action.allCases.map { Array("\"\($0.name)\"".utf8) }
    let outcomes = Outcome.allCases.map { ($0, QuotedWord($0.word)) }
    let severities = Severity.allCases.map { ($0, QuotedWord($0.word)) }
    let actor: [Field] = [.actorID, .actorName, .actorEmail]
    let moments: [Field] = [.time, .observed, .tokenExpires]
    let scopes: [Field] = [.scopeRequested, .scopeGranted]
    let system = QuotedWord("system")
    let admin = QuotedWord("admin")
    let user = QuotedWord("user")
    let group = QuotedWord("group")
    let agent = QuotedWord("agent")
    let client = QuotedWord("client")
    let role = QuotedWord("role")
    let openID = QuotedWord("openid")
    /// What can hold a role beside users.
    let holders = ["group", "client", "agent"].map { QuotedWord($0) }
    let methods = OCSFWords.methods
}
