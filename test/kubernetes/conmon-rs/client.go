// Package client stands in for conmon-rs, a monitor of containers that is not used here: pods run under conmon.
package client

import (
	"context"
	"errors"
	"io"

	"github.com/containers/podman/v3/libpod/define"
)

var errAbsent = errors.New("conmon-rs is not built in")

type ConmonServerConfig struct {
	ConmonServerPath, Runtime, ServerRunDir, RuntimeRoot string
	LogLevel                                             string
}
type ConmonClient struct{}
type VersionResponse struct {
	ProcessID                                    uint32
	Version, Tag, Commit, BuildDate, RustVersion string
}
type LogDriver struct {
	Type int
	Path string
}

const LogDriverTypeContainerRuntimeInterface = 0

type CreateContainerConfig struct {
	ID, BundlePath          string
	Terminal                bool
	ExitPaths, OOMExitPaths []string
	LogDrivers              []LogDriver
}
type CreateContainerResponse struct{ PID uint32 }
type ExecSyncConfig struct {
	ID       string
	Command  []string
	Timeout  uint64
	Terminal bool
}
type ExecContainerResult struct {
	ExitCode       int32
	Stdout, Stderr []byte
	TimedOut       bool
}
type In struct{ io.Reader }
type Out struct{ io.WriteCloser }
type AttachStreams struct {
	Stdin          *In
	Stdout, Stderr *Out
}
type AttachConfig struct {
	ID, SocketPath         string
	Tty, StopAfterStdinEOF bool
	Resize                 chan define.TerminalSize
	Streams                AttachStreams
}
type ReopenLogContainerConfig struct{ ID string }

func New(*ConmonServerConfig) (*ConmonClient, error)                    { return nil, errAbsent }
func (*ConmonClient) Version(context.Context) (*VersionResponse, error) { return nil, errAbsent }
func (*ConmonClient) CreateContainer(context.Context, *CreateContainerConfig) (*CreateContainerResponse, error) {
	return nil, errAbsent
}
func (*ConmonClient) ExecSyncContainer(context.Context, *ExecSyncConfig) (*ExecContainerResult, error) {
	return nil, errAbsent
}
func (*ConmonClient) AttachContainer(context.Context, *AttachConfig) error { return errAbsent }
func (*ConmonClient) ReopenLogContainer(context.Context, *ReopenLogContainerConfig) error {
	return errAbsent
}
func (*ConmonClient) Shutdown() error { return errAbsent }
