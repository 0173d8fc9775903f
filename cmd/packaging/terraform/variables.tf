variable "resource_group_name" {
  type        = string
  description = "Resource group of the vault and the identity."
}

variable "location" {
  type        = string
  description = "Region, such as westeurope."
}

variable "vault_name" {
  type        = string
  description = "Name of the vault, unique in the world."

  validation {
    condition     = can(regex("^[a-zA-Z][a-zA-Z0-9-]{1,22}[a-zA-Z0-9]$", var.vault_name))
    error_message = "A vault's name has 3 to 24 letters, digits and dashes, and begins with a letter."
  }
}

variable "hardware" {
  type        = bool
  default     = true
  description = "Keys in hardware (a premium vault). Half the rate of signatures, and keys that no software has seen."
}

variable "keys" {
  type        = set(string)
  description = "Names of the keys, one for each account."
}

variable "identity_name" {
  type        = string
  default     = "kvclef"
  description = "Name of the managed identity that the signer runs as."
}

variable "role_name" {
  type        = string
  default     = "kvclef signer"
  description = "Name of the custom role, unique in the tenant."
}

variable "federated_subjects" {
  type = map(object({
    issuer  = string
    subject = string
  }))
  default     = {}
  description = "Kubernetes service accounts that may be the identity: the cluster's OIDC issuer, and system:serviceaccount:NAMESPACE:NAME."
}

variable "public_network_access" {
  type        = bool
  default     = true
  description = "Whether the vault has a public address at all. Even then only the ranges and subnets below reach it; false leaves private endpoints."
}

variable "allowed_ip_ranges" {
  type        = list(string)
  default     = []
  description = "Public addresses or ranges that reach the vault."
}

variable "allowed_subnet_ids" {
  type        = list(string)
  default     = []
  description = "Subnets with the service endpoint Microsoft.KeyVault that reach the vault."
}

variable "log_analytics_workspace_id" {
  type        = string
  description = "Workspace of the vault's audit log. Take one that the signer's operators can't write to."
}

variable "tags" {
  type    = map(string)
  default = {}
}
