// SPDX-License-Identifier: Apache-2.0

/// The classes of OCSF 1.8 that an action can belong to, by their `class_uid`.
public enum OCSFClass: UInt16, CaseIterable, Sendable {
    /// Account Change.
    case accountChange = 3001
    /// Authentication.
    case authentication = 3002
    /// Entity Management.
    case entityManagement = 3004
    /// User Access Management.
    case userAccess = 3005
    /// Group Management.
    case groupManagement = 3006
    /// API Activity.
    case apiActivity = 6003

    /// `category_uid`: 3 is Identity & Access Management, 6 is Application Activity.
    public var category: Int { Int(rawValue) / 1000 }
}

/// Where Splunk's Common Information Model has a place for an action.
public struct CIMModel: Sendable, Equatable {
    /// The data model, `Authentication` or `Change`.
    public let name: StaticString
    /// The word of its field `action`.
    public let action: StaticString

    init(_ name: StaticString, _ action: StaticString) {
        self.name = name
        self.action = action
    }

    /// Compares by the texts.
    public static func == (left: CIMModel, right: CIMModel) -> Bool {
        String(describing: left.name) == String(describing: right.name)
            && String(describing: left.action) == String(describing: right.action)
    }
}
