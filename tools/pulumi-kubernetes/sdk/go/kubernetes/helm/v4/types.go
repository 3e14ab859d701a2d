package v4

import "github.com/pulumi/pulumi/sdk/v3/go/pulumi"

// RepositoryOpts say where a chart is.
type RepositoryOpts struct {
	CaFile   pulumi.AssetOrArchive
	CertFile pulumi.AssetOrArchive
	KeyFile  pulumi.AssetOrArchive
	Password *string
	Repo     *string
	Username *string
}

// RepositoryOptsInput is RepositoryOpts, or an output of it.
type RepositoryOptsInput interface{ pulumi.Input }

// PostRenderer is a program that changes what a chart renders.
type PostRenderer struct {
	Args    []string
	Command string
}

// PostRendererInput is PostRenderer, or an output of it.
type PostRendererInput interface{ pulumi.Input }
